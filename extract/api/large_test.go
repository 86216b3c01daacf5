package api

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
)

func TestWhatNoTableCanHoldIsTooLarge(t *testing.T) {
	items := func(n int) string { return strings.TrimSuffix(strings.Repeat("{},", n), ",") }
	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	for name, c := range map[string]struct {
		list string
		ok   bool
	}{
		"as many elements as are taken": {items(maxElements), true},
		"one element more":              {items(maxElements + 1), false},
		"as long an element":            {text(maxElement), true},
		"an element a byte longer":      {text(maxElement + 1), false},
	} {
		body := `{"feed":[` + c.list + `],"clients":[` + c.list + `],"data":[` + c.list + `],"total":1,"total_count":1,"status":"success"}`
		for method, q := range questions() {
			client, err := New(Options{BaseURL: "http://127.0.0.1", Key: testKey, Transport: fixed{status: 200, body: []byte(body)}})
			if err != nil {
				t.Fatal(err)
			}
			err = q.ask(t, client)
			var e *Error
			if c.ok != (err == nil) || !c.ok && (!errors.As(err, &e) || e.Code != "too_large" || e.Kind != Bad) {
				t.Errorf("%s, %s: %v", method, name, err)
			}
		}
	}
}

// TestLargeAnswersAreReadOneByOne lets eight calls get large answers at once, and
// wants each to have its own; what one reads, it gives back.
func TestLargeAnswersAreReadOneByOne(t *testing.T) {
	body := []byte(`{"feed":[` + strings.Repeat(`"`+strings.Repeat("x", 1<<20)+`",`, 6) + `1],"status":"success"}`)
	client, err := New(Options{BaseURL: "http://127.0.0.1", Key: testKey, Transport: fixed{status: 200, body: body}})
	if err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			feed, err := client.Feed(t.Context(), 1)
			if err == nil && (feed.Items != 7 || !bytes.Contains(body, feed.JSON)) {
				t.Errorf("%d items", feed.Items)
			}
			if err == nil {
				feed.Release()
			}
			return err
		})
	}
	if err := g.Wait(); err != nil || len(client.large) != 0 {
		t.Errorf("%v, %d turns are taken", err, len(client.large))
	}
}

// TestALargeAnswerWaitsNoLongerThanACall holds the turn and wants the next large
// answer to time out as any slow one does.
func TestALargeAnswerWaitsNoLongerThanACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := bytes.Repeat([]byte(" "), 2*smallBody)
		client, err := New(Options{BaseURL: "http://127.0.0.1", Key: testKey, Transport: fixed{status: 200, body: body}})
		if err != nil {
			t.Fatal(err)
		}
		client.large <- struct{}{}
		began := time.Now()
		if e := feedError(t, client); e.Code != "timeout" || e.Kind != Transient || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", e, time.Since(began))
		}
	})
}
