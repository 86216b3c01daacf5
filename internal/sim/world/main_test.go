package world

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newWorld makes the default world of so many clients, changed as told.
func newWorld(t testing.TB, clients int, change func(*Config)) *World {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Clients = clients
	if change != nil {
		change(&cfg)
	}
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func feedOf(t testing.TB, s *State, id int64) *Feed {
	t.Helper()
	f, ok := s.Feed(id)
	if !ok {
		t.Fatalf("there is no client %d", id)
	}
	return f
}
