package s3test_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"roistat-etl/internal/bucket"
	"roistat-etl/internal/s3test"
)

func TestHeldRequestsArriveLate(t *testing.T) {
	s := s3test.Start(t, "held")
	p := s.Proxy(t)
	p.Use(t)
	b, err := bucket.Open("s3://held/x")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	read := func() string {
		text, err := os.ReadFile(s.File("held", "x/a"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(text)
	}
	p.Set(s3test.Fault{Method: "PUT", Match: "/x/a", Hold: true, Times: 1})
	first, err := b.Swap(t.Context(), "a", []byte("first"), "") // held, and tried again
	if err != nil || p.Held() != 1 || read() != "first" {
		t.Fatalf("%v, %d are held, there is %q", err, p.Held(), read())
	}
	if got := p.Release(); len(got) != 1 || !strings.HasSuffix(got[0], "/x/a: 412") {
		t.Errorf("released: %q", got)
	}
	p.Set(s3test.Fault{Method: "PUT", Match: "/x/b", Twice: true, Times: 1})
	if err := b.Put(t.Context(), "b", bytes.NewReader([]byte("b")), 1, "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"); err != nil {
		t.Fatal(err)
	}
	p.Set()
	if _, err := b.Swap(t.Context(), "a", []byte("second"), first); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if got := p.Release(); len(got) != 1 || !strings.HasSuffix(got[0], "/x/b: 200") || p.Held() != 0 {
		t.Errorf("released: %q", got)
	}
	if text, err := os.ReadFile(s.File("held", "x/b")); err != nil || string(text) != "b" {
		t.Errorf("there is %q, %v", text, err)
	}
}
