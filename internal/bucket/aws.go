package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"roistat-etl/internal/endpoint"
)

// defaultHost is Amazon's own.
const defaultHost = "s3.amazonaws.com"

// settings are what AWS's own library makes of the environment and of the files in
// ~/.aws: variables win over files, and what is said of S3 over what is said of all.
type settings struct {
	credentials aws.CredentialsProvider
	region      string
	caFile      string
	host        string
	secure      bool
}

// readSettings reads variables and files. It asks nobody.
func readSettings() (*settings, error) {
	ctx := context.TODO() //nolint:forbidigo // it ends no request: AWS's library wants one to read files
	cfg, err := config.LoadDefaultConfig(ctx, config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = renewBefore }))
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	s := &settings{credentials: cfg.Credentials, region: cfg.Region, caFile: os.Getenv("AWS_CA_BUNDLE")}
	name, address := "AWS_ENDPOINT_URL", ""
	if cfg.BaseEndpoint != nil {
		address = *cfg.BaseEndpoint
	}
	for _, source := range cfg.ConfigSources {
		switch c := source.(type) {
		case config.EnvConfig:
			if c.BaseEndpoint == "" {
				name = "endpoint_url of the profile"
			}
		case config.SharedConfig:
			if s.caFile == "" {
				s.caFile = c.CustomCABundle
			}
			if own := c.Services.ServiceValues["s3"]["endpoint_url"]; own != "" && os.Getenv("AWS_ENDPOINT_URL") == "" {
				name, address = "endpoint_url of the profile's services", own
			}
		}
	}
	if own := os.Getenv("AWS_ENDPOINT_URL_S3"); own != "" {
		name, address = "AWS_ENDPOINT_URL_S3", own
	}
	if ignored, found, _ := config.GetIgnoreConfiguredEndpoints(ctx, cfg.ConfigSources); found && ignored {
		address = ""
	}
	if err := s.setHost(name, address); err != nil {
		return nil, err
	}
	if s.region == "" && s.host != defaultHost {
		s.region = "us-east-1" // servers of one's own mostly have none, and sign so; at Amazon the bucket is asked for its own
	}
	return s, nil
}

// setHost takes the server out of an address that a setting names.
func (s *settings) setHost(name, address string) error {
	if address == "" {
		s.host, s.secure = defaultHost, true
		return nil
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return fmt.Errorf("%s wants an address such as https://s3.example.com:9000", name)
	case u.Scheme != "https" && (u.Scheme != "http" || !endpoint.Loopback(u.Hostname())):
		return fmt.Errorf("%s wants https; http only on 127.0.0.0/8, ::1 or localhost", name)
	}
	s.host, s.secure = u.Host, u.Scheme == "https"
	return nil
}

const (
	credentialWait = 90 * time.Second // longer than a credential_process may take
	renewBefore    = time.Minute      // credentials that end sooner are asked for anew
)

// provider gives minio-go the credentials that AWS's chain finds: of variables, of a
// profile (keys, sso, credential_process, role_arn), of a web identity, of the
// container, of the machine.
type provider struct {
	credentials.Expiry
	chain   aws.CredentialsProvider
	found   bool
	endless bool
}

// RetrieveWithCredContext implements credentials.Provider.
func (p *provider) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	if cc == nil || cc.Context == nil {
		return credentials.Value{}, errors.New("credentials were asked for without a context")
	}
	ctx, stop := context.WithTimeout(cc.Context, credentialWait)
	defer stop()
	v, err := p.chain.Retrieve(ctx)
	if err != nil {
		p.found = false
		return credentials.Value{}, credentialError(err)
	}
	p.found, p.endless = true, !v.CanExpire
	if v.CanExpire {
		p.SetExpiration(v.Expires, 0) // renewBefore is taken off already
	}
	return credentials.Value{AccessKeyID: v.AccessKeyID, SecretAccessKey: v.SecretAccessKey, SessionToken: v.SessionToken, Expiration: v.Expires, SignerType: credentials.SignatureV4}, nil
}

// Retrieve implements credentials.Provider.
func (p *provider) Retrieve() (credentials.Value, error) { return p.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (p *provider) IsExpired() bool { return !p.found || !p.endless && p.Expiry.IsExpired() }

var (
	errNoCredentials = errors.New("there are no credentials")
	errNoLogin       = errors.New("the login at AWS has expired")
	errNoFile        = errors.New("a file with credentials is missing")
	errNoRole        = errors.New("the credentials were refused")
)

// credentialError tells what won't pass by itself: nothing was found, and the machine,
// which is asked last, has no role; a login has ended; a role is refused.
func credentialError(err error) error {
	var machine *smithy.OperationError
	var login *ssocreds.InvalidTokenError
	var refused smithy.APIError
	switch {
	case errors.As(err, &machine) && machine.Service() == "ec2imds":
		return fmt.Errorf("%w: %w", errNoCredentials, err)
	case errors.As(err, &login):
		return fmt.Errorf("%w: %w", errNoLogin, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", errNoFile, err)
	case errors.As(err, &refused) && refused.ErrorFault() == smithy.FaultClient, errors.As(err, &refused) && refused.ErrorCode() == "AccessDenied":
		return fmt.Errorf("%w: %w", errNoRole, err)
	}
	return fmt.Errorf("get credentials: %w", err)
}
