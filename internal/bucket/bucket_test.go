package bucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/s3test"
)

// open makes a bucket that is closed with the test.
func open(t testing.TB, target string) *Bucket {
	t.Helper()
	b, err := Open(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// put puts a text under its true sum.
func put(t testing.TB, b *Bucket, name string, text []byte) {
	t.Helper()
	must(t, b.Put(t.Context(), name, bytes.NewReader(text), int64(len(text)), sumOf(text)))
}

func names(t testing.TB, b *Bucket, begin string, level bool) (out []string) {
	t.Helper()
	for e, err := range b.List(t.Context(), begin, level) {
		must(t, err)
		out = append(out, e.Name)
	}
	return out
}

func TestObjectsComeBackAsTheyWent(t *testing.T) {
	server := s3test.Start(t, "bucket")
	for _, tls := range []bool{false, true} {
		t.Run(fmt.Sprint("tls ", tls), func(t *testing.T) {
			s3test.Use(t, server.Addr)
			if tls {
				server.TLSProxy(t).Use(t)
			}
			b := open(t, fmt.Sprintf("s3://bucket/a prefix/x=%t", tls))
			large := make([]byte, partSize+partSize/2)
			_, _ = rand.Read(large)
			for name, text := range map[string][]byte{"empty": {}, "visits/month=2025-01/part 1": []byte("rows"), "large": large} {
				put(t, b, name, text)
				if tls { // what the server holds, not what it says
					got, err := os.ReadFile(server.File("bucket", b.Key(name)))
					if err != nil || !bytes.Equal(got, text) {
						t.Errorf("%s: %d bytes are there, not %d: %v", name, len(got), len(text), err)
					}
				}
				must(t, b.Copy(t.Context(), name, "copy of "+name, int64(len(text))))
				var got bytes.Buffer
				if err := b.Fetch(t.Context(), "copy of "+name, int64(len(text)), &got); err != nil || !bytes.Equal(got.Bytes(), text) {
					t.Errorf("%s: %d bytes came back, not %d: %v", name, got.Len(), len(text), err)
				}
			}
			if got := names(t, b, "copy of visits/", true); !slices.Equal(got, []string{"copy of visits/month=2025-01/"}) {
				t.Errorf("one level: %q", got)
			}
			must(t, b.RemoveAll(t.Context(), "copy of "))
			must(t, b.Remove(t.Context(), "never there"))
			if got := names(t, b, "", false); !slices.Equal(got, []string{"empty", "large", "visits/month=2025-01/part 1"}) {
				t.Errorf("left: %q", got)
			}
		})
	}
}

func TestADamagedObjectIsRefused(t *testing.T) {
	server := s3test.Start(t, "bucket")
	s3test.Use(t, server.Addr)
	b := open(t, "s3://bucket")
	err := b.Put(t.Context(), "x", strings.NewReader("rows"), 4, sumOf([]byte("other")))
	if err == nil || len(names(t, b, "", false)) > 0 {
		t.Errorf("it was taken: %v", err)
	}
	put(t, b, "x", []byte("rows"))
	if err := b.Fetch(t.Context(), "x", 5, new(bytes.Buffer)); err == nil {
		t.Error("an object of another size was read")
	}
}

func TestSwapHasOneWinner(t *testing.T) {
	server := s3test.Start(t, "bucket")
	s3test.Use(t, server.Addr)
	b := open(t, "s3://bucket/p")
	etag := ""
	for round := range 20 {
		var won atomic.Int32
		var g errgroup.Group
		for i := range 4 {
			g.Go(func() error {
				_, err := b.Swap(context.Background(), "current.json", fmt.Appendf(nil, "%d of %d", i, round), etag)
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, ErrLost) {
					return err
				}
				return nil
			})
		}
		must(t, g.Wait())
		if n := won.Load(); n != 1 {
			t.Fatalf("round %d has %d winners", round, n)
		}
		o, err := b.Get(t.Context(), "current.json")
		must(t, err)
		// Both are the server's, in whole seconds, of which Date may be an older one.
		if age := o.Read.Sub(o.Modified).Abs(); o.Read.IsZero() || o.Modified.IsZero() || age > 30*time.Second {
			t.Errorf("modified at %v, read at %v", o.Modified, o.Read)
		}
		etag = o.ETag
	}
	must(t, b.Remove(t.Context(), "current.json"))
	if _, err := b.Swap(t.Context(), "current.json", []byte("x"), etag); !errors.Is(err, ErrLost) {
		t.Errorf("an object that is gone was replaced: %v", err)
	}
	if _, err := b.Get(t.Context(), "current.json"); !errors.Is(err, ErrAbsent) {
		t.Errorf("%v", err)
	}
}

func TestALostAnswerIsAskedFor(t *testing.T) {
	server := s3test.Start(t, "bucket")
	proxy := server.Proxy(t)
	proxy.Use(t)
	b := open(t, "s3://bucket")
	proxy.Set(s3test.Fault{Method: "PUT", Lose: true, Times: 1}) // minio-go repeats it, and is refused
	etag, err := b.Swap(t.Context(), "pointer", []byte("mine"), "")
	if err != nil || proxy.Struck() != 1 {
		t.Fatalf("%v, %d faults", err, proxy.Struck())
	}
	if o, err := b.Get(t.Context(), "pointer"); err != nil || o.ETag != etag {
		t.Errorf("%v %v", o, err)
	}
}

func TestErrorsAreTold(t *testing.T) {
	server := s3test.Start(t, "bucket")
	proxy := server.Proxy(t)
	get := func(ctx context.Context, target string) error {
		b := open(t, target)
		_, err := b.Get(ctx, "x")
		return err
	}
	answers := func(status int, code string) func() {
		return func() { proxy.Set(s3test.Fault{Status: status, Code: code}) }
	}
	for name, c := range map[string]struct {
		prepare func()
		target  string
		refuses bool
		says    string
	}{
		"no bucket":      {func() {}, "s3://other", true, "NoSuchBucket"},
		"wrong key":      {func() { t.Setenv("AWS_ACCESS_KEY_ID", "someone") }, "s3://bucket", true, "No user exists"},
		"wrong secret":   {func() { t.Setenv("AWS_SECRET_ACCESS_KEY", "something") }, "s3://bucket", true, "SignatureDoesNotMatch"},
		"wrong region":   {func() { t.Setenv("AWS_REGION", "eu-west-9") }, "s3://bucket", true, "AuthorizationHeaderMalformed"},
		"no credentials": {func() { t.Setenv("AWS_ACCESS_KEY_ID", "") }, "s3://bucket", true, "no credentials"},
		"denied":         {answers(403, "AccessDenied"), "s3://bucket", true, "AccessDenied"},
		"expired":        {answers(400, "ExpiredToken"), "s3://bucket", true, "ExpiredToken"},
		"clock":          {answers(403, "RequestTimeTooSkewed"), "s3://bucket", true, "RequestTimeTooSkewed"},
		"busy":           {answers(503, "SlowDown"), "s3://bucket", false, "SlowDown"},
		"away":           {func() { proxy.Set(s3test.Fault{Cut: true}) }, "s3://bucket", false, "closed by foreign host"},
		"not trusted":    {func() { t.Setenv("AWS_ENDPOINT_URL_S3", "https://"+server.TLSProxy(t).Addr) }, "s3://bucket", true, "certificate"},
	} {
		proxy.Use(t)
		proxy.Set()
		c.prepare()
		err := get(t.Context(), c.target)
		if err == nil || Refuses(err) != c.refuses || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), s3test.SecretKey) {
			t.Errorf("%s: %v, remedy %q", name, err, Remedy(err))
		}
		if Unknown(err) != (name == "away") {
			t.Errorf("%s: unknown %t", name, Unknown(err))
		}
	}
}

func TestWhereToAsk(t *testing.T) {
	for text, good := range map[string]bool{
		"https://s3.example.com": true, "https://s3.example.com:9000/": true, "http://127.0.0.1:9000": true, "http://localhost": true,
		"http://s3.example.com": false, "http://10.0.0.1:9000": false, "ftp://127.0.0.1": false, "s3.example.com": false,
		"https://user:password@s3.example.com": false, "https://s3.example.com/bucket": false,
	} {
		t.Setenv("AWS_ENDPOINT_URL_S3", text)
		b, err := Open("s3://bucket/prefix")
		if (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "password") {
			t.Errorf("%v", err)
		}
		if err == nil {
			must(t, b.Close())
		}
	}
	for _, target := range []string{"bucket/prefix", "s3://", "s3:///prefix"} {
		if _, err := Open(target); err == nil {
			t.Errorf("%q is an address", target)
		}
	}
}

// Credentials in an address would be shown wherever the address is.
func TestAnAddressHoldsNoCredentials(t *testing.T) {
	for _, target := range []string{"s3://AKEXAMPLE:hunter2@bucket/p", "s3://AKEXAMPLE:hun/ter2@bucket", "s3://hunter2@bucket", "AKEXAMPLE:hunter2@bucket/p"} {
		b, err := Open(target)
		if !errors.Is(err, ErrCredentials) || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%v, %v", b, err)
		}
	}
}
