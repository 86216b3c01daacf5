package bucket

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"roistat-etl/internal/endpoint"
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
	transport   *http.Transport
	endpoint    string
	name        string
	prefix      string // "", or it ends with a slash
}

// Open makes a bucket of s3://bucket/prefix and the environment. It asks nobody.
// The caller closes it.
func Open(target string) (*Bucket, error) {
	name, prefix, _ := strings.Cut(strings.TrimPrefix(target, Scheme), "/")
	if !strings.HasPrefix(target, Scheme) || name == "" {
		return nil, fmt.Errorf("%q is no address such as s3://bucket/prefix", target)
	}
	host, secure, err := server()
	if err != nil {
		return nil, err
	}
	transport, err := newTransport()
	if err != nil {
		return nil, err
	}
	b := &Bucket{transport: transport, credentials: chain(), endpoint: host, name: name}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		b.prefix = prefix + "/"
	}
	b.client, err = minio.New(host, &minio.Options{
		Creds: b.credentials, Secure: secure, Transport: witness{transport}, Region: region(), MaxRetries: attempts,
		TrailingHeaders: true, // without it minio-go takes no checksums at all; none is trailing here
	})
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", host, err)
	}
	b.core = minio.Core{Client: b.client}
	return b, nil
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

// server is the host to ask, and whether by TLS.
func server() (host string, secure bool, err error) {
	name, text := "AWS_ENDPOINT_URL_S3", os.Getenv("AWS_ENDPOINT_URL_S3")
	if text == "" {
		name, text = "AWS_ENDPOINT_URL", os.Getenv("AWS_ENDPOINT_URL")
	}
	if text == "" {
		return "s3.amazonaws.com", true, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return "", false, fmt.Errorf("%s wants an address such as https://s3.example.com:9000", name)
	case u.Scheme != "https" && (u.Scheme != "http" || !endpoint.Loopback(u.Hostname())):
		return "", false, fmt.Errorf("%s wants https; http only on 127.0.0.0/8, ::1 or localhost", name)
	}
	return u.Host, u.Scheme == "https", nil
}

// region is the configured one. Servers of one's own mostly have none, and
// sign as the first of Amazon's; at Amazon the bucket is asked for its own.
func region() string {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	if os.Getenv("AWS_ENDPOINT_URL_S3") != "" || os.Getenv("AWS_ENDPOINT_URL") != "" {
		return "us-east-1"
	}
	return ""
}

const (
	attempts = 6 // of a request: some three seconds
	dialWait = 10 * time.Second
	headWait = time.Minute     // for the head of an answer, once all was sent
	roleWait = 2 * time.Second // for a machine's role, which most machines don't have
)

func newTransport() (*http.Transport, error) {
	roots, err := endpoint.Roots(os.Getenv("AWS_CA_BUNDLE"))
	if err != nil {
		return nil, fmt.Errorf("AWS_CA_BUNDLE: %w", err)
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialWait, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   dialWait,
		ResponseHeaderTimeout: headWait,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   16,
		DisableCompression:    true, // objects are stored as they were put
	}, nil
}

// chain is where credentials are looked for.
func chain() *credentials.Credentials {
	providers := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if !strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		providers = append(providers, &credentials.IAM{Client: &http.Client{
			Timeout: roleWait, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		}})
	}
	return credentials.NewChainCredentials(providers)
}

var errNoCredentials = errors.New("there are no credentials")

// signs makes sure that there are credentials: without any minio-go would ask as nobody.
func (b *Bucket) signs() error {
	v, err := b.credentials.GetWithContext(b.client.CredContext())
	if err == nil && (v.AccessKeyID == "" || v.SecretAccessKey == "") {
		err = errNoCredentials
	}
	return err
}
