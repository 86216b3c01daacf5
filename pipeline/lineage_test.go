package pipeline

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"roistat-etl/extract/mirror"
	"roistat-etl/pipeline/config"
)

// copyFile copies a file that nobody writes.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, text, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// refuses expects a run that ends before its first call with a class and a text.
func (s *stand) refuses(t testing.TB, class Class, says string, change func(*Options)) {
	t.Helper()
	before, transport := s.published(t), s.options.Transport
	var calls atomic.Int64
	r := s.run(t, func(o *Options) {
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			calls.Add(1)
			return transport.RoundTrip(r)
		})
		if change != nil {
			change(o)
		}
	})
	if r.ExitCode != int(class) || r.Error == nil || !strings.Contains(*r.Error, says) || calls.Load() > 0 {
		t.Errorf("after %d calls it should say %q: %s", calls.Load(), says, text(t, r))
	}
	now := s.published(t)
	if (before == nil) != (now == nil) || now != nil && now.Run != before.Run {
		t.Error("something else is published")
	}
}

// TestAnOlderCopyOfTheMirrorIsRefused puts yesterday's mirror back: nothing that is
// published goes back with it.
func TestAnOlderCopyOfTheMirrorIsRefused(t *testing.T) {
	s := quickStand(t, 40)
	s.run(t, nil).want(t, OK)
	old := filepath.Join(t.TempDir(), "old.db")
	copyFile(t, s.pipeline.Mirror, old)
	s.sim.Night(1, 0.5)
	s.run(t, nil).want(t, OK)
	newer := filepath.Join(t.TempDir(), "newer.db")
	copyFile(t, s.pipeline.Mirror, newer)
	copyFile(t, old, s.pipeline.Mirror)
	for range 2 { // what was refused is not known the next time
		s.refuses(t, Misconfigured, "an older copy", nil)
	}
	s.refuses(t, Misconfigured, "an older copy", func(o *Options) { o.NoExtract = true })
	shown := s.published(t).Run
	if e := s.forget(t, 7).want(t, Failed); !strings.Contains(*e.Error, "an older copy") || e.ExitCode != int(Misconfigured) || s.published(t).Run != shown {
		t.Error(e.words(t))
	}
	if r := Repair(context.Background(), s.pipeline, nil, s.options); r.ExitCode != int(Misconfigured) || s.published(t).Run != shown {
		t.Error(text(t, r))
	}
	if lines, class := s.check(t); class != Misconfigured || !strings.Contains(strings.Join(lines, "\n"), "an older copy") {
		t.Error(class, lines)
	}
	if _, err := MakePlan(t.Context(), s.pipeline, s.options); err == nil || !strings.Contains(err.Error(), "an older copy") {
		t.Error(err)
	}
	if st := s.status(t); !strings.Contains(st.Destinations[0].Summary(), "an older copy") {
		t.Error(st.Destinations[0].Summary())
	}
	copyFile(t, newer, s.pipeline.Mirror)
	s.run(t, nil).want(t, OK)
	copyFile(t, old, s.pipeline.Mirror)
	s.run(t, func(o *Options) { o.Adopt = true }).want(t, OK)
	s.run(t, nil).want(t, OK)
}

func (s *stand) status(t testing.TB) *Status {
	t.Helper()
	st, err := ReadStatus(t.Context(), s.pipeline, StatusOptions{Runs: 5})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestARunThatWasKilledIsKnown publishes with a run that never enters its end.
func TestARunThatWasKilledIsKnown(t *testing.T) {
	s := quickStand(t, 20)
	s.run(t, nil).want(t, OK)
	m, err := mirror.Open(t.Context(), s.pipeline.Mirror, mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// As the mirror is after a kill: the run was entered when it began, its end was not.
	killed := s.published(t).Run
	if known, err := m.KnowsRun(t.Context(), killed); !known || err != nil {
		t.Errorf("%v, %v", known, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	var begun []mirror.Begun
	s.run(t, func(o *Options) {
		o.Begun = func(r *Report) {
			read, err := mirror.OpenReader(context.Background(), s.pipeline.Mirror)
			if err == nil {
				begun, err = read.Unended(context.Background(), 5)
				err = errors.Join(err, read.Close())
			}
			if err != nil || len(begun) != 1 || begun[0].Run != r.Run || !begun[0].Running || begun[0].PID != os.Getpid() {
				t.Errorf("%+v, %v", begun, err)
			}
		}
	}).want(t, OK)
	if len(begun) == 0 {
		t.Error("nobody looked")
	}
}

// TestAnAbsentMirrorCostsNothing takes the disk away: nothing is asked, nothing is made.
func TestAnAbsentMirrorCostsNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(t *testing.T, s *stand)
	}{
		{"the folder is away", func(t *testing.T, s *stand) {
			if err := os.Rename(filepath.Dir(s.pipeline.Mirror), filepath.Dir(s.pipeline.Mirror)+".away"); err != nil {
				t.Fatal(err)
			}
		}},
		{"the link leads nowhere", func(t *testing.T, s *stand) {
			if err := errors.Join(os.Remove(s.pipeline.Mirror), os.Symlink("/nowhere/at/all.db", s.pipeline.Mirror)); err != nil {
				t.Fatal(err)
			}
		}},
		{"the file is empty", func(t *testing.T, s *stand) {
			if err := os.Truncate(s.pipeline.Mirror, 0); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := quickStand(t, 20)
			s.run(t, nil).want(t, OK)
			c.lose(t, s)
			s.refuses(t, Stopped, "is the disk mounted?", nil)
			s.refuses(t, Stopped, "is the disk mounted?", func(o *Options) { o.NoExtract = true })
			s.refuses(t, Stopped, "is the disk mounted?", func(o *Options) { o.NoPublish = true })
			if lines, class := s.check(t); class != Stopped || !strings.Contains(strings.Join(lines, "\n"), "is the disk mounted?") {
				t.Error(class, lines)
			}
			if _, err := MakePlan(t.Context(), s.pipeline, s.options); err == nil || !strings.Contains(err.Error(), "is the disk mounted?") {
				t.Error(err)
			}
			if !isAbsent(s.pipeline.Mirror) {
				t.Error("a mirror was made")
			}
			if c.name == "the link leads nowhere" {
				return
			}
			if st := s.status(t); !strings.Contains(st.Destinations[0].Summary(), "is the disk mounted?") {
				t.Error(st.Destinations[0].Summary())
			}
			s.run(t, func(o *Options) { o.Adopt = true }).want(t, OK)
			s.run(t, nil).want(t, OK)
		})
	}
}

// TestAMirrorKnowsItsProject gives a mirror to another project, or address.
func TestAMirrorKnowsItsProject(t *testing.T) {
	s := quickStand(t, 20)
	s.run(t, nil).want(t, OK)
	other := func(project, address string) *stand {
		p := *s.pipeline
		p.Project, p.API.BaseURL = project, address
		return &stand{sim: s.sim, pipeline: &p, options: s.options}
	}
	const own = "http://127.0.0.1:1/api/v1"
	foreign := other("67890", own)
	for name, change := range map[string]func(*Options){
		"run": nil, "adopt": func(o *Options) { o.Adopt = true }, "no extract": func(o *Options) { o.NoExtract = true },
	} {
		t.Run(name, func(t *testing.T) { foreign.refuses(t, Misconfigured, "a mirror of its own", change) })
	}
	if e := foreign.forget(t, 7).want(t, Failed); e.ExitCode != int(Misconfigured) || len(e.Forgotten) > 0 {
		t.Error(e.words(t))
	}
	if r := foreign.importFile(t, "id,name\n1,A\n", nil); r.ExitCode != int(Misconfigured) || r.Error == nil || !strings.Contains(*r.Error, "a mirror of its own") {
		t.Errorf("%+v", r)
	}
	if lines, class := foreign.check(t); class != Misconfigured || !strings.Contains(strings.Join(lines, "\n"), "a mirror of its own") {
		t.Error(class, lines)
	}
	if _, err := MakePlan(t.Context(), foreign.pipeline, s.options); err == nil || !strings.Contains(err.Error(), "a mirror of its own") {
		t.Error(err)
	}
	other("12345", "HTTP://127.0.0.1:1/api/v1/").run(t, nil).want(t, OK)
	other("12345", "http://localhost:2/api/v1").run(t, nil).want(t, OK)
	moved := other("12345", "https://proxy.example/api/v1")
	if r := moved.run(t, nil); r.ExitCode != int(Misconfigured) || !strings.Contains(*r.Error, "--adopt") || r.Calls != (CallCounts{}) {
		t.Error(text(t, r))
	}
	moved.run(t, func(o *Options) { o.Adopt = true }).want(t, OK)
	moved.run(t, nil).want(t, OK)
	if r := s.run(t, nil); r.ExitCode != int(Misconfigured) {
		t.Error(text(t, r))
	}
}

// TestAnOldMirrorKnowsItsProject by its last report, before it was ever noted.
func TestAnOldMirrorKnowsItsProject(t *testing.T) {
	s := quickStand(t, 20)
	s.run(t, nil).want(t, OK)
	forgetIdentity := func() {
		m, err := mirror.Open(t.Context(), s.pipeline.Mirror, mirror.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.SetMeta(t.Context(), metaProject, ""), m.SetMeta(t.Context(), metaBaseURL, ""), m.Close()); err != nil {
			t.Fatal(err)
		}
	}
	forgetIdentity()
	s.pipeline.Project = "67890"
	s.refuses(t, Misconfigured, "a mirror of its own", nil)
	s.pipeline.Project = "12345"
	s.run(t, nil).want(t, OK)
	s.pipeline.Project = "67890"
	s.refuses(t, Misconfigured, "a mirror of its own", nil)
}

func TestOneAddressHasOneSpelling(t *testing.T) {
	for a, b := range map[string]string{
		"https://Cloud.Roistat.com/api/v1":     config.RoistatURL,
		"https://cloud.roistat.com:443/api/v1": config.RoistatURL,
		"https://cloud.roistat.com./api/v1///": config.RoistatURL,
		"HTTP://localhost:80/api/v1/":          "http://127.0.0.1:8080/api/v1",
		"http://[::1]:80":                      "http://localhost/",
	} {
		if addressOf(a) != addressOf(b) {
			t.Errorf("%s is %s, %s is %s", a, addressOf(a), b, addressOf(b))
		}
	}
	for a, b := range map[string]string{
		"https://cloud.roistat.com:80/api/v1": config.RoistatURL,
		"http://localhost/api/v2":             "http://localhost/api",
		"https://cloud.roistat.com/api/V1":    config.RoistatURL,
		"https://[2001:db8::1]:8443":          "https://[2001:db8::1]",
	} {
		if addressOf(a) == addressOf(b) {
			t.Errorf("%s is %s", a, b)
		}
	}
}
