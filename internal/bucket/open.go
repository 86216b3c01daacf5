package bucket

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"roistat-etl/internal/endpoint"
	"roistat-etl/internal/transport"
	"roistat-etl/internal/untrusted"
)

// Scheme begins the address of a bucket.
const Scheme = "s3://"

// Bucket is a bucket and a prefix in it. Names of objects count from the prefix.
// It is safe for concurrent use.
type Bucket struct {
	client      *minio.Client
	core        minio.Core
	credentials *credentials.Credentials
	secrets     atomic.Pointer[untrusted.Secrets] // the credentials that were last known
	transport   *transport.Transport
	endpoint    string
	name        string
	prefix      string // "", or it ends with a slash
}

// Open makes a bucket of s3://bucket/prefix and the environment. It asks nobody.
// The caller closes it.
func Open(target string) (*Bucket, error) {
	name, prefix, err := parse(target)
	if err != nil {
		return nil, err
	}
	set, err := readSettings()
	if err != nil {
		return nil, err
	}
	net, err := newTransport(set.caFile)
	if err != nil {
		return nil, err
	}
	b := &Bucket{transport: net, credentials: credentials.New(&provider{chain: set.credentials}), endpoint: set.host, name: name}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		b.prefix = prefix + "/"
	}
	b.client, err = minio.New(set.host, &minio.Options{
		Creds: b.credentials, Secure: set.secure, Transport: witness{net}, Region: set.region, MaxRetries: attempts,
		TrailingHeaders: true, // without it minio-go takes no checksums at all; none is trailing here
	})
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", set.host, err)
	}
	b.core = minio.Core{Client: b.client}
	return b, nil
}

// ErrCredentials says that an address holds credentials, which would be shown
// wherever the address is.
var ErrCredentials = errors.New("the address of a bucket must hold no credentials: s3://bucket/prefix; they belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in ~/.aws/credentials")

// parse takes s3://bucket/prefix apart. What may be a secret is in no error.
func parse(target string) (name, prefix string, err error) {
	rest, ok := strings.CutPrefix(target, Scheme)
	name, prefix, _ = strings.Cut(rest, "/")
	switch {
	case strings.ContainsAny(name, "@:"):
		return "", "", ErrCredentials
	case !ok || name == "":
		return "", "", fmt.Errorf("%q is no address such as s3://bucket/prefix", target)
	}
	return name, prefix, nil
}

// Close lets go of idle connections.
func (b *Bucket) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

// String is the bucket's address.
func (b *Bucket) String() string { return strings.TrimSuffix(Scheme+b.name+"/"+b.prefix, "/") }

// Endpoint is the server's host and port.
func (b *Bucket) Endpoint() string { return b.endpoint }

// Key is an object's key in the bucket, which its prefix begins.
func (b *Bucket) Key(object string) string { return b.prefix + object }

// URL is an object's address, s3://bucket/key.
func (b *Bucket) URL(object string) string { return Scheme + b.name + "/" + b.prefix + object }

const (
	attempts = 6 // of a request: some three seconds
	dialWait = 10 * time.Second
	headWait = time.Minute // for the head of an answer, once all was sent
)

func newTransport(caFile string) (*transport.Transport, error) {
	roots, err := endpoint.Roots(caFile)
	if err != nil {
		return nil, fmt.Errorf("AWS_CA_BUNDLE or ca_bundle: %w", err)
	}
	return transport.New(transport.Options{Roots: roots, ConnectWait: dialWait, HeaderWait: headWait, Idle: 16}), nil
}

// signs makes sure that there are credentials: without any minio-go would ask as nobody.
func (b *Bucket) signs(ctx context.Context) error {
	asked := b.client.CredContext()
	asked.Context = ctx
	v, err := b.credentials.GetWithContext(asked)
	if err == nil && (v.AccessKeyID == "" || v.SecretAccessKey == "") {
		err = errNoCredentials
	}
	return err
}
