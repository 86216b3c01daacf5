package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// late finds calls that were begun although the deadline had passed while the
// process stood still. It stood still in the middle of its calls, or the clock of
// the deadline may not have begun.
func late(f *facts, resumed time.Time, concurrency int) (found []string) {
	if len(f.calls) == 0 || f.step.Deadline == 0 || resumed.Sub(f.calls[0].Began) < stopFor {
		return nil
	}
	passed, n := f.calls[0].Began.Add(f.step.Deadline), 0
	for _, x := range f.calls {
		if x.Began.After(resumed) && x.Began.After(passed) {
			n++
		}
	}
	if n > concurrency {
		found = append(found, fmt.Sprintf("%d calls after the deadline", n))
	}
	return found
}

// traced checks what the trace of a run tells: a failure in the destination that
// the exit code hides, or a file that was shown before it was durable.
func traced(f *facts, name, tables string, before map[string]string) (found []string) {
	text, err := os.ReadFile(name)
	if err != nil {
		return []string{"the checker: " + err.Error()}
	}
	done := f.report.ExitCode == 0 || f.report.ExitCode == 3
	var synced []string
	shown := false
	for line := range strings.Lines(string(text)) {
		twice := strings.Contains(line, "unlinkat(") || strings.Contains(line, `_manifest.json", O_RDONLY`) || // what is tried again
			strings.Contains(line, "/.check-") // a trial: where it matters, the thing itself fails, too
		switch {
		case strings.Contains(line, "(INJECTED)") && strings.Contains(line, tables+"/") && done && !twice:
			found = append(found, fmt.Sprintf("exit code %d, but in the destination failed %s", f.report.ExitCode, strings.TrimSpace(line)))
		case strings.Contains(line, "sync(") && !shown:
			synced = append(synced, line)
		case strings.Contains(line, "rename") && strings.Contains(line, ".staging-"):
			shown = true
		}
	}
	if f.step.Inject == "watch" && shown {
		found = append(found, unsynced(filepath.Join(tables, "snapshots", f.report.Run), strings.Join(synced, ""), before)...)
	}
	return found
}

// unsynced lists the new files of a snapshot that were shown without a sync.
func unsynced(dir, synced string, before map[string]string) (found []string) {
	have, err := sums(dir)
	if err != nil {
		return []string{"the checker: " + err.Error()}
	}
	for name, sum := range have { // one that was there before is linked, and was synced then
		if sum != before[name] && !strings.Contains(synced, "/"+name+">") {
			found = append(found, "shown before it was synced: "+name)
		}
	}
	return found
}
