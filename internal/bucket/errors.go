package bucket

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/minio/minio-go/v7"

	"roistat-etl/internal/untrusted"
)

var (
	// ErrAbsent says that there is no such object.
	ErrAbsent = errors.New("there is no such object")
	// ErrLost says that the object is not the one that was to be replaced.
	ErrLost = errors.New("another was faster")
	// ErrSize says that an object has another size than it should.
	ErrSize = errors.New("it has another size")
)

// Error is what went wrong at the server or on the way there.
type Error struct {
	Op     string // what was being done
	Target string // address of the object or bucket
	Code   string // S3's name of it; empty if no answer came
	Remedy string // what a person can do; empty if waiting may help
	Err    error

	pending bool // a request of it may still be carried out
}

// Error says what was being done, and what came of it.
func (e *Error) Error() string {
	if e.Code != "" && !errors.Is(e.Err, ErrAbsent) && !errors.Is(e.Err, ErrLost) {
		return fmt.Sprintf("%s %s: %s: %v", e.Op, e.Target, e.Code, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Op, e.Target, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Refuses tells whether an error won't pass by itself.
func Refuses(err error) bool { return Remedy(err) != "" }

// Remedy is what a person can do about a refusal; empty if it is none.
func Remedy(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Remedy
	}
	return ""
}

// Unknown tells whether a request may have been carried out all the same, or may
// still be: no answer came, or not to each of its repetitions.
func Unknown(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.pending || e.Code == "" && e.Remedy == "")
}

// remedies are what to do about the answers that repeat themselves.
//
//nolint:gosec // texts about secrets, none of them one
var remedies = map[string]string{
	"NoSuchBucket":                      "make the bucket, or correct its name; an endpoint of one's own is set by AWS_ENDPOINT_URL_S3",
	"InvalidBucketName":                 "correct the bucket's name",
	"AccessDenied":                      "allow these credentials s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on what lies under the prefix",
	"AllAccessDisabled":                 "the bucket is closed: ask its owner",
	"AccountProblem":                    "ask whoever owns the account",
	"InvalidAccessKeyId":                "the server doesn't know the access key: correct AWS_ACCESS_KEY_ID, or AWS_PROFILE",
	"XAdminUserNotFound":                "the server doesn't know the access key: correct AWS_ACCESS_KEY_ID, or AWS_PROFILE",
	"SignatureDoesNotMatch":             "the secret is not the access key's, or the region is another: correct AWS_SECRET_ACCESS_KEY and AWS_REGION",
	"InvalidToken":                      "correct AWS_SESSION_TOKEN, or get new credentials",
	"ExpiredToken":                      "the credentials have expired: get new ones, and run again",
	"ExpiredTokenException":             "the credentials have expired: get new ones, and run again",
	"TokenRefreshRequired":              "the credentials have expired: get new ones, and run again",
	"RequestTimeTooSkewed":              "this machine's clock is more than 15 minutes off: set it (timedatectl, chronyc tracking)",
	"RequestExpired":                    "this machine's clock is more than 15 minutes off: set it (timedatectl, chronyc tracking)",
	"AuthorizationHeaderMalformed":      "the bucket is in another region: correct AWS_REGION",
	"AuthorizationQueryParametersError": "the bucket is in another region: correct AWS_REGION",
	"PermanentRedirect":                 "the bucket is in another region: correct AWS_REGION or AWS_ENDPOINT_URL_S3",
	"MovedPermanently":                  "the bucket is in another region: correct AWS_REGION or AWS_ENDPOINT_URL_S3",
	"InvalidRegion":                     "correct AWS_REGION",
	"NotImplemented":                    "the server can't do that: give a bucket of one that can (conditional writes, server-side copies)",
	"MethodNotAllowed":                  "the address answers, but not as S3: correct AWS_ENDPOINT_URL_S3",
}

const (
	remedyCondition   = "give a bucket of a server that knows If-Match and If-None-Match on writes: without them two writers could write over one another"
	remedyUnsigned    = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"
	remedyLogin       = "run aws sso login, or correct the path of the file in the AWS configuration"
	remedyRole        = "allow the role of the profile, the pod or the token to be taken (sts:AssumeRole), or correct its name"
	remedyCertificate = "the server's certificate is not trusted: name its authority's file in AWS_CA_BUNDLE, or correct AWS_ENDPOINT_URL_S3"
)

// wrap makes an Error of what minio-go says. nil stays nil.
func (b *Bucket) wrap(ctx context.Context, op, object string, err error) error {
	if err == nil {
		return nil
	}
	secrets := b.knownSecrets()
	e := &Error{Op: op, Target: secrets.Line(b.URL(object), maxTarget), Err: secrets.Error(err)}
	if object == "" {
		e.Target = b.String()
	}
	if cause := context.Cause(ctx); cause != nil {
		e.Err = fmt.Errorf("%w: %w", cause, secrets.Error(err))
		return e
	}
	for kind, remedy := range map[error]string{errNoCredentials: remedyUnsigned, errNoLogin: remedyLogin, errNoFile: remedyLogin, errNoRole: remedyRole} {
		if errors.Is(err, kind) {
			e.Remedy = remedy
			return e
		}
	}
	if isUntrusted(err) {
		e.Remedy = remedyCertificate
		return e
	}
	var answer minio.ErrorResponse
	if errors.As(err, &answer) && answer.Code != "" {
		e.Code, e.Remedy = secrets.Line(answer.Code, maxCode), remedies[answer.Code]
		e.Err = secrets.Error(meaning(answer))
	}
	return e
}

// meaning makes an error that can be asked for of an answer.
func meaning(r minio.ErrorResponse) error {
	switch {
	case r.Code == "NoSuchKey" || r.Code == "NotFound":
		return ErrAbsent
	case r.Code == "PreconditionFailed" || r.Code == "ConditionalRequestConflict" || r.StatusCode == http.StatusPreconditionFailed:
		return ErrLost
	}
	return errors.New(signature.ReplaceAllString(strings.TrimSuffix(r.Message, "."), "${1}"+untrusted.Mask))
}

// signature is that of a request, which some servers quote in what they answer.
var signature = regexp.MustCompile(`(?i)(signature[^0-9a-z]{1,4})[0-9a-f]{64}`)

const (
	maxTarget = 1100 // of a bucket's name and a key, which has at most 1,024 bytes
	maxCode   = 64
)

// knownSecrets are the credentials that requests have been signed with, as far as
// they are known without asking anybody.
func (b *Bucket) knownSecrets() *untrusted.Secrets {
	if !b.credentials.IsExpired() {
		if v, err := b.credentials.GetWithContext(b.client.CredContext()); err == nil {
			b.secrets.Store(untrusted.NewSecrets(v.SecretAccessKey, v.SessionToken))
		}
	}
	return b.secrets.Load()
}

func isUntrusted(err error) bool {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var checked *tls.CertificateVerificationError
	return errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &checked)
}
