package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKilledForgetComesToItsEnd kills the real process at random moments of an
// erasure, and lets the next forget or the next run end it. Whatever the moment:
// then no byte of the persons is left, and the tables are what the mirror
// projects to.
func TestKilledForgetComesToItsEnd(t *testing.T) {
	t.Parallel()
	const rounds = 8
	seed := uint64(time.Now().UnixNano())
	if *killSeed != 0 {
		seed = *killSeed
	}
	t.Logf("-kill-seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	s := newSim(t, "--clients", "400", "--months", "5")
	dir := t.TempDir()
	configure(t, dir, s.url)
	want(t, 0, etl(dir, "run"))
	kills := 0
	for round := range rounds {
		ids := []string{strconv.Itoa(10*round + 1), strconv.Itoa(10*round + 2)}
		people := personsIn(t, dir, ids)
		for kills <= round && forgetKilled(t, dir, ids, time.Duration(random.Int64N(int64(400*time.Millisecond)))) {
			kills++
		}
		end := append([]string{"forget"}, ids...)
		forgotten := want(t, 0, etl(dir, "status")).stdout
		if strings.Contains(forgotten, fmt.Sprintf("forgotten  %d clients", 2*round+2)) && round%2 == 0 {
			end = []string{"run"} // it was begun, so the next night ends it
		}
		want(t, 0, etl(dir, end...))
		found, err := tracesIn(dir, people)
		if err != nil || len(found) > 0 {
			t.Fatalf("round %d, ended by %s: %v %v", round, end[0], found, err)
		}
		if left := names(t, filepath.Join(dir, "out", "snapshots")); len(left) != 1 {
			t.Errorf("round %d: there lie %v", round, left)
		}
		want(t, 0, etl(dir, "verify"))
	}
	t.Logf("%d kills", kills)
}

// personsIn makes persons of clients, by what show prints.
func personsIn(t *testing.T, dir string, ids []string) (list []person) {
	t.Helper()
	for _, id := range ids {
		p, err := personIn(want(t, 0, etl(dir, "show", id, "--json")).stdout)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// forgetKilled starts an erasure and kills it after a time; false: it had ended before.
func forgetKilled(t *testing.T, dir string, ids []string, after time.Duration) bool {
	t.Helper()
	cmd := etl(dir, append([]string{"forget"}, ids...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended
	err := cmd.Wait()
	timer.Stop()
	return err != nil && cmd.ProcessState.ExitCode() == -1
}
