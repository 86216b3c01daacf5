package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"roistat-etl/internal/endpoint"
	"roistat-etl/internal/retry"
	"roistat-etl/internal/transport"
	"roistat-etl/internal/untrusted"
	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
)

// The types of events.
const (
	started   = "START"
	completed = "COMPLETE"
	failed    = "FAIL"
	aborted   = "ABORT"
)

// Lineage tells a catalogue what each run read and wrote, as OpenLineage events.
// A nil Lineage tells nothing. It is safe for concurrent use.
type Lineage struct {
	send      func(ctx context.Context, event []byte, attempts int) error
	namespace string
	producer  string
}

// NewLineage reads the variables that OpenLineage's own clients read: OPENLINEAGE_URL
// with OPENLINEAGE_ENDPOINT and OPENLINEAGE_API_KEY, or OPENLINEAGE__TRANSPORT__TYPE
// http or file with __URL, __ENDPOINT, __LOG_FILE_PATH; OPENLINEAGE_NAMESPACE; and
// OPENLINEAGE_DISABLED. It returns nil where none of them asks for events, and an
// error where they can't be followed.
func NewLineage(getenv func(string) (string, bool), version string) (*Lineage, error) {
	env := func(names ...string) string {
		for _, n := range names {
			if v, ok := getenv("OPENLINEAGE_" + n); ok && v != "" {
				return v
			}
		}
		return ""
	}
	l := &Lineage{namespace: env("NAMESPACE"), producer: "urn:roistat-etl:" + url.PathEscape(version)}
	if l.namespace == "" {
		l.namespace = "default"
	}
	kind, base := env("_TRANSPORT__TYPE"), env("URL", "_TRANSPORT__URL")
	if kind == "" && base != "" {
		kind = "http"
	}
	var err error
	switch {
	case kind == "" || strings.EqualFold(env("DISABLED"), "true"):
		return nil, nil //nolint:nilnil // nothing is asked for, which is no error
	case kind == "http":
		l.send, err = overHTTP(base, env("ENDPOINT", "_TRANSPORT__ENDPOINT"), env("API_KEY"))
	case kind == "file":
		l.send, err = intoFile(env("_TRANSPORT__LOG_FILE_PATH"))
	default:
		err = fmt.Errorf("OPENLINEAGE__TRANSPORT__TYPE %q: it is http or file", kind)
	}
	return l, err
}

// Begun tells that a run has begun.
func (l *Lineage) Begun(ctx context.Context, p *config.Pipeline, r *pipeline.Report) error {
	return l.tell(ctx, p, r, started, r.StartedAt)
}

// Ended tells how a run ended.
func (l *Lineage) Ended(ctx context.Context, p *config.Pipeline, r *pipeline.Report) error {
	kind := failed
	switch r.Outcome {
	case pipeline.OK, pipeline.Partial:
		kind = completed
	case pipeline.Interrupted:
		kind = aborted
	case pipeline.Failed, pipeline.Refused, pipeline.Gated:
	}
	return l.tell(ctx, p, r, kind, r.FinishedAt)
}

// tell sends an event. How a run ended is told although it was interrupted, but
// then the server is asked once only: the program must end soon.
func (l *Lineage) tell(ctx context.Context, p *config.Pipeline, r *pipeline.Report, kind string, at time.Time) error {
	if l == nil {
		return nil
	}
	attempts := 2
	if kind != started {
		if ctx.Err() != nil {
			attempts = 1
		}
		ctx = context.WithoutCancel(ctx)
	}
	text, err := json.Marshal(l.event(p, r, kind, at))
	if err == nil {
		err = l.send(ctx, text, attempts)
	}
	if err != nil {
		return fmt.Errorf("send the OpenLineage event %s: %w", kind, err)
	}
	return nil
}

// intoFile appends a line an event.
func intoFile(path string) (func(context.Context, []byte, int) error, error) {
	if path == "" {
		return nil, errors.New("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH is not set")
	}
	return func(_ context.Context, event []byte, _ int) error {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
		if err != nil {
			return err
		}
		_, err = f.Write(append(event, '\n')) // one write: lines of several pipelines don't mix
		return errors.Join(err, f.Close())
	}, nil
}

// lineageTimeout is how long a server may take for one event. What is told about
// a run must not hold it up.
const lineageTimeout = 5 * time.Second

// overHTTP posts an event.
func overHTTP(base, path, key string) (func(context.Context, []byte, int) error, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("OPENLINEAGE_URL is not the URL of a server")
	}
	if key != "" && u.Scheme == "http" && !endpoint.Loopback(u.Hostname()) {
		return nil, errors.New("OPENLINEAGE_URL is http, over which OPENLINEAGE_API_KEY would be sent in the clear: use https")
	}
	if path == "" {
		path = "api/v1/lineage"
	}
	target := u.JoinPath(path).String()
	do := transport.New(transport.Options{ConnectWait: lineageTimeout, Idle: -1}).Client(lineageTimeout).Do
	secrets := urlSecrets(u, key)
	return func(ctx context.Context, event []byte, attempts int) error {
		policy := retry.Policy{Attempts: attempts, Base: time.Second, Max: time.Second}
		return secrets.Error(policy.Do(ctx, func(ctx context.Context) error { return post(ctx, do, target, key, event) },
			func(error) (retry.Verdict, time.Duration) { return retry.Again, 0 }))
	}, nil
}

// urlSecrets are the key and what else of a URL is nobody's business.
func urlSecrets(u *url.URL, key string) *untrusted.Secrets {
	words := []string{key}
	if password, ok := u.User.Password(); ok {
		words = append(words, password)
	}
	for _, values := range u.Query() {
		words = append(words, values...)
	}
	return untrusted.NewSecrets(words...)
}

func post(ctx context.Context, do func(*http.Request) (*http.Response, error), target, key string, event []byte) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(event))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // it only explains the status
		return fmt.Errorf("%s: %q", resp.Status, said)
	}
	return nil
}
