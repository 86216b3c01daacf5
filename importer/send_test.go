package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"roistat-etl/schemas"
)

// idsOf reads the ids of a body.
func idsOf(t interface{ Fatal(...any) }, body string) (ids []int) {
	var list []struct{ ID string }
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) == 0 {
		t.Fatal(body, err)
	}
	for _, c := range list {
		id, err := strconv.Atoi(c.ID)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// refusing is an API that refuses a body with one of these ids.
func refusing(t *testing.T, bad ...int) func(string) error {
	return func(body string) error {
		for _, id := range idsOf(t, body) {
			if slices.Contains(bad, id) {
				return fmt.Errorf("%w: %d", ErrRefused, id)
			}
		}
		return nil
	}
}

func TestSendHalves(t *testing.T) {
	f := open(t, write(t, "a.csv", rowsCSV(8, func(i int) bool { return i == 5 })))
	b := &bodies{send: refusing(t, 3)}
	if err := f.Send(t.Context(), Options{Batch: 100, Sender: b, Journal: b}); err != nil {
		t.Fatal(err)
	}
	// Seven rows: 0 1 2 3 4 6 7; 0-2 go through, so 3-7 needn't be asked whole; 3 4; 3; 4; 6 7.
	if b.calls != 6 {
		t.Errorf("%d calls", b.calls)
	}
	reject := func(i int, field string, reason schemas.Reason, raw string) []schemas.ImportReject {
		return []schemas.ImportReject{{Ordinal: int64(i), ID: strconv.Itoa(i), Field: field, Reason: reason, Raw: []byte(raw)}}
	}
	want := []Step{
		{Next: 3, Sent: 3},
		{Next: 4, Rejects: reject(3, "", schemas.APIRefused, `{"id":"3","name":"n"}`)},
		{Next: 5, Sent: 1},
		{Next: 8, Sent: 2, Rejects: reject(5, "name", schemas.BadValue, `{"id":"5","name":null}`)},
		{Next: 8, Last: true},
	}
	for i := range b.steps {
		if len(b.steps[i].Rejects) == 0 {
			b.steps[i].Rejects = nil
		}
	}
	if diff := cmp.Diff(want, b.steps); diff != "" {
		t.Error(diff)
	}
}

func TestSendEndsAtOneMiB(t *testing.T) {
	big := strings.Repeat("x", 300<<10)
	f := open(t, write(t, "a.csv", "id,name\n1,"+big+"\n2,"+big+"\n3,"+big+"\n4,"+big+"\n5,"+big+"\n"))
	b := &bodies{}
	if err := f.Send(t.Context(), Options{Batch: 100, Sender: b, Journal: b}); err != nil {
		t.Fatal(err)
	}
	if len(b.sent) != 2 || len(b.sent[0]) > 2<<20 {
		t.Errorf("%d bodies", len(b.sent))
	}
}

func TestSendGivesUpWhereAllIsRefused(t *testing.T) {
	f := open(t, write(t, "a.csv", rowsCSV(2000, nil)))
	b := &bodies{send: func(string) error { return ErrRefused }}
	err := f.Send(t.Context(), Options{Batch: 100, Sender: b, Journal: b})
	if !errors.Is(err, ErrHopeless) {
		t.Fatal(err)
	}
	if last := b.steps[len(b.steps)-1]; last.Next != 1000 {
		t.Errorf("it ended at %d", last.Next)
	}
}

func TestSendRefusesToResumeBeyondTheEnd(t *testing.T) {
	f := open(t, write(t, "a.csv", rowsCSV(5, nil)))
	b := &bodies{}
	if err := f.Send(t.Context(), Options{Batch: 2, From: 6, Sender: b, Journal: b}); err == nil || b.calls > 0 {
		t.Error(err, b.calls)
	}
}

// TestSendStopsAtErrors leaves what was not sent, and keeps nothing of it.
func TestSendStopsAtErrors(t *testing.T) {
	failure := errors.New("some failure")
	f := open(t, write(t, "a.csv", rowsCSV(10, nil)))
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(failure)
	once := func() func(string) error {
		n := 0
		return func(string) error {
			if n++; n == 2 {
				return failure
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		b     *bodies
		steps int
	}{
		"send":   {&bodies{send: once()}, 1},
		"keep":   {&bodies{keep: func(Step) error { return failure }}, 0},
		"cancel": {&bodies{}, 0},
	} {
		ctx := t.Context()
		if name == "cancel" {
			ctx = cancelled
		}
		err := f.Send(ctx, Options{Batch: 3, Sender: c.b, Journal: c.b})
		if !errors.Is(err, failure) || len(c.b.steps) != c.steps {
			t.Errorf("%s: %v, %d steps", name, err, len(c.b.steps))
		}
	}
}

// TestChangedFile is noticed in whatever way it changes, and nothing more is sent.
func TestChangedFile(t *testing.T) {
	text := rowsCSV(100_000, nil)
	for name, change := range map[string]func(path string) error{
		"grown": func(path string) error { return appendTo(path, "200000,n\n") },
		"cut":   func(path string) error { return os.Truncate(path, 1000) },
		"touched up": func(path string) error {
			return keepingTimes(path, func() error { return overwrite(path, text[:700_000]+"9"+text[700_001:]) })
		},
		"renamed over": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", []byte(text), 0o600), os.Rename(path+"2", path))
		},
		"removed": os.Remove,
	} {
		f := open(t, write(t, "a.csv", text))
		b := &bodies{}
		b.keep = func(s Step) error {
			if s.Next == 200 {
				return change(f.path)
			}
			return nil
		}
		err := f.Send(t.Context(), Options{Batch: 100, Sender: b, Journal: b})
		if !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
		if most := 2; name != "touched up" && b.calls != most { // the other change lies far ahead
			t.Errorf("%s: %d calls", name, b.calls)
		}
		at := 0
		for _, body := range b.sent {
			for _, id := range idsOf(t, body) {
				if id != at {
					t.Fatalf("%s: sent %d where %d was", name, id, at)
				}
				at++
			}
		}
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

func overwrite(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

// keepingTimes changes a file so that its times don't tell.
func keepingTimes(path string, change func() error) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return errors.Join(change(), os.Chtimes(path, info.ModTime(), info.ModTime()))
}

// killed ends a sending as a kill would.
var errKilled = errors.New("killed")

// stand is an API and a mirror that a kill can't hurt, and a process that it can.
type stand struct {
	t        *rapid.T
	refused  map[int]bool // by the API
	accepted map[int]int  // how often, by row
	next     int64        // durable, as all below
	sent     int64
	rejects  map[int64]schemas.Reason
	done     bool
	order    int // the last row that was accepted since the process began
}

// Send loses calls and answers, and dies.
func (s *stand) Send(_ context.Context, clients []byte, ready func() error) error {
	if err := ready(); err != nil {
		return err
	}
	how := rapid.SampledFrom([]string{"well", "well", "well", "well", "lost on the way", "lost on the way back", "killed before", "killed after"}).Draw(s.t, "how")
	if how == "lost on the way" || how == "killed before" {
		return errKilled
	}
	ids := idsOf(s.t, string(clients))
	for _, id := range ids {
		if int64(id) < s.next {
			s.t.Fatalf("row %d is sent again, though all before %d were acknowledged", id, s.next)
		}
		if id <= s.order {
			s.t.Fatalf("row %d comes after row %d", id, s.order)
		}
		if s.refused[id] {
			return ErrRefused
		}
	}
	for _, id := range ids {
		s.accepted[id]++
		s.order = id
	}
	if how != "well" {
		return errKilled
	}
	return nil
}

// Keep keeps a step whole or not at all, and may die before or after it.
func (s *stand) Keep(_ context.Context, step Step) error {
	how := rapid.SampledFrom([]string{"well", "well", "well", "well", "killed before", "killed after"}).Draw(s.t, "keep")
	if how == "killed before" {
		return errKilled
	}
	if step.Next < s.next {
		s.t.Fatalf("from %d back to %d", s.next, step.Next)
	}
	for _, r := range step.Rejects {
		if r.Ordinal < s.next || r.Ordinal >= step.Next || s.rejects[r.Ordinal] != "" {
			s.t.Fatalf("reject %d in a step from %d to %d", r.Ordinal, s.next, step.Next)
		}
		s.rejects[r.Ordinal] = r.Reason
	}
	if got := step.Sent + int64(len(step.Rejects)); got != step.Next-s.next {
		s.t.Fatalf("%d rows in a step from %d to %d", got, s.next, step.Next)
	}
	s.next, s.sent, s.done = step.Next, s.sent+step.Sent, step.Last
	if how == "killed after" {
		return errKilled
	}
	return nil
}

// TestAnyKillAndResume sends each good row at least once, an acknowledged one
// exactly once, and rejects each bad one once, however often it is killed.
func TestAnyKillAndResume(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 40).Draw(t, "rows")
		unusable := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "unusable")
		s := &stand{t: t, refused: map[int]bool{}, accepted: map[int]int{}, rejects: map[int64]schemas.Reason{}}
		for i := range n {
			s.refused[i] = rapid.IntRange(0, 9).Draw(t, "refused") == 0
		}
		path := filepath.Join(dir, "a.csv")
		if err := os.WriteFile(path, []byte(rowsCSV(n, func(i int) bool { return unusable[i] })), 0o600); err != nil {
			t.Fatal(err)
		}
		sessions := 0
		for ; !s.done && sessions < 2000; sessions++ {
			s.order = -1
			f, err := Open(context.Background(), path)
			if err != nil {
				t.Fatal(err)
			}
			err = f.Send(context.Background(), Options{Batch: rapid.IntRange(1, 12).Draw(t, "batch"), From: s.next, Sender: s, Journal: s})
			if err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			if err == nil != s.done && err == nil {
				t.Fatal("it ended well, but not whole")
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		good := 0
		for i := range n {
			bad := unusable[i] || s.refused[i]
			if !bad {
				good++
			}
			if bad != (s.rejects[int64(i)] != "") || bad == (s.accepted[i] > 0) {
				t.Fatalf("row %d: bad %v, reject %q, accepted %d times", i, bad, s.rejects[int64(i)], s.accepted[i])
			}
		}
		if !s.done || s.next != int64(n) || s.sent != int64(good) {
			t.Fatalf("done %v at %d of %d, %d of %d sent", s.done, s.next, n, s.sent, good)
		}
	})
}

// TestRejectsAtTheEndOfABatch are kept although no row that is sent follows them.
func TestRejectsAtTheEndOfABatch(t *testing.T) {
	f := open(t, write(t, "a.csv", rowsCSV(152, func(i int) bool { return i > 0 && i < 151 })))
	b := &bodies{}
	if err := f.Send(t.Context(), Options{Batch: 2, Sender: b, Journal: b}); err != nil {
		t.Fatal(err)
	}
	rejects, next := 0, int64(0)
	for _, s := range b.steps {
		if got := s.Sent + int64(len(s.Rejects)); got != s.Next-next {
			t.Errorf("%d rows in a step from %d to %d", got, next, s.Next)
		}
		rejects, next = rejects+len(s.Rejects), s.Next
	}
	if rejects != 150 || next != 152 {
		t.Errorf("%d rejects, it ended at %d", rejects, next)
	}
}

// TestChangeAfterTheLastRow leaves the file as one that was not sent whole.
func TestChangeAfterTheLastRow(t *testing.T) {
	f := open(t, write(t, "a.csv", rowsCSV(3, nil)))
	b := &bodies{}
	b.keep = func(s Step) error {
		if s.Last {
			t.Error("it counts as whole")
		}
		return appendTo(f.path, "9,n\n")
	}
	if err := f.Send(t.Context(), Options{Batch: 3, Sender: b, Journal: b}); !errors.Is(err, ErrChanged) || b.calls != 1 {
		t.Errorf("%v, %d calls", err, b.calls)
	}
}
