package chaos

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"roistat-etl/load"
	"roistat-etl/pipeline"
)

// ending is how a run ended that ClickHouse shows, by its report.
type ending struct {
	code    int
	outcome string
	clients int64
	maybe   bool // it could not say so, or was not told that it had
}

// shelf is what lies in the database.
type shelf struct {
	marks map[string]string // the run in each table's comment
	next  []string
	views int
}

var markOf = regexp.MustCompile(`\[run=(\S+) mirror=\S+\]$`)

func (w *warehouse) shelf() (*shelf, error) {
	text, err := w.query("SELECT name, engine, comment FROM system.tables WHERE database = '" + database + "' ORDER BY name FORMAT TSVRaw")
	if err != nil {
		return nil, err
	}
	s := &shelf{marks: map[string]string{}}
	for line := range strings.Lines(text) {
		field := strings.Split(strings.TrimSpace(line), "\t")
		switch {
		case strings.Contains(field[0], "__next_"):
			s.next = append(s.next, field[0])
		case field[1] == "View":
			s.views++
		case !strings.HasPrefix(field[0], "_"):
			run := markOf.FindStringSubmatch(field[len(field)-1])
			s.marks[field[0]] = strings.Join(run[min(len(run), 1):], "")
		}
	}
	return s, nil
}

// after checks what a run has left in ClickHouse, at rest.
func (w *warehouse) after(p *processes, f *facts) ([]string, error) {
	want, err := p.projection()
	if err != nil {
		return nil, err
	}
	w.eras = append(w.eras, eraOf(p.model, want))
	now := len(w.eras) - 1
	s, err := w.shelf()
	if err != nil {
		return nil, err
	}
	v := &verdict{}
	v.that(!w.hung.Load(), "the run had not ended after %v", hungAfter)
	w.report(v, p, f, s)
	w.contents(v, f, s, now)
	if len(v.found) == 0 {
		err = w.books(v, f, s)
	}
	v.found = append(v.found, w.judgeReads()...)
	if err != nil || !f.step.Clean || len(v.found) > 0 {
		return v.found, err
	}
	found, err := w.twins(f)
	if err != nil || len(found) > 0 {
		return found, err
	}
	return p.audit()
}

// report holds what the run says of ClickHouse against what it shows.
func (w *warehouse) report(v *verdict, p *processes, f *facts, s *shelf) {
	if f.report == nil {
		return
	}
	w.runs[f.report.Run] = len(w.eras) - 1
	done := f.report.ExitCode == 0 || f.report.ExitCode == 3
	i := slices.IndexFunc(f.report.Destinations, func(d pipeline.DestinationState) bool { return d.Kind == "clickhouse" })
	if i < 0 {
		v.that(!done, "exit code %d without ClickHouse", f.report.ExitCode)
		return
	}
	d := f.report.Destinations[i]
	unlisted := strings.Contains(text(f.report.Error), "but can't list it")
	switch d.State {
	case "published":
		v.that(d.Run == f.report.Run, "published, but the run is %s", d.Run)
		w.listed[d.Run] = &ending{f.report.ExitCode, string(f.report.Outcome), p.model.live(), unlisted}
	case "unchanged":
		v.that(d.Run < f.report.Run && d.Run != "", "unchanged, but the run is %s", d.Run)
	default:
		v.that(!done, "exit code %d, and ClickHouse is %s", f.report.ExitCode, d.State)
	}
	for _, a := range w.tables {
		if done {
			v.that(s.marks[a.name] == d.Run, "exit code %d and %s: %s shows the run %q, not %s", f.report.ExitCode, d.State, a.name, s.marks[a.name], d.Run)
		}
	}
	v.that(!done || len(s.next) == 0, "exit code %d, and left are %v", f.report.ExitCode, s.next)
	v.that(!done || s.views == 3, "exit code %d, and there are %d views", f.report.ExitCode, s.views)
}

// contents checks that each table is that of one run, the one that its comment
// names, and of this one if that ended well.
func (w *warehouse) contents(v *verdict, f *facts, s *shelf, now int) {
	done := f.report != nil && (f.report.ExitCode == 0 || f.report.ExitCode == 3)
	for _, a := range w.tables {
		got, err := w.look(context.Background(), a)
		if err != nil {
			v.add("%s can't be read: %v", a.name, err)
			continue
		}
		w.mu.Lock()
		w.saw(a.name, got)
		w.mu.Unlock()
		run := s.marks[a.name]
		at, known := w.runs[run]
		switch {
		case run == "" && got == absent:
			at = 0
		case run == "":
			v.add("%s has no run in its comment", a.name)
		case !known: // it was killed before it could tell its name
			v.that(f.report == nil, "%s shows the run %s, of which nobody has heard", a.name, run)
			w.runs[run], at = now, now
		}
		if done {
			at = now
		}
		if want := w.eras[at][a.name]; got != want.sum {
			v.add("%s shows run %s, but has %d rows and should have %d: %s", a.name, run, got.rows, want.sum.rows, w.differs(a, want))
		}
	}
}

// books checks _partitions and _runs.
func (w *warehouse) books(v *verdict, f *facts, s *shelf) error {
	if len(s.marks) == 0 {
		return nil
	}
	written, err := w.written()
	if err != nil {
		return err
	}
	for _, a := range w.tables {
		run := s.marks[a.name]
		if run == "" {
			continue
		}
		have, err := w.counts(a)
		if err != nil {
			return err
		}
		says := written[run+" "+a.name]
		v.that(maps.Equal(says, have), "%s of run %s has the rows %v, _partitions says %v", a.name, run, have, says)
	}
	if f.step.Clean {
		for key := range written {
			run, _, _ := strings.Cut(key, " ")
			_, shown := w.runs[run]
			v.that(shown, "_partitions names run %s, which was never shown", run)
		}
	}
	return w.runsTable(v)
}

// written is what _partitions says of each run's tables.
func (w *warehouse) written() (map[string]map[string]int64, error) {
	text, err := w.query("SELECT run, table, partition, sum(rows) FROM " + database + "._partitions GROUP BY ALL FORMAT TSV")
	out := map[string]map[string]int64{}
	for line := range strings.Lines(text) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		key := field[0] + " " + field[1]
		if out[key] == nil {
			out[key] = map[string]int64{}
		}
		if out[key][field[2]], err = strconv.ParseInt(field[3], 10, 64); err != nil {
			return nil, err
		}
	}
	return out, err
}

// counts counts the rows of a table's partitions, as _partitions should have them.
func (w *warehouse) counts(a *asked) (map[string]int64, error) {
	text, err := w.query(a.parts + " FORMAT TSV")
	out := map[string]int64{}
	for line := range strings.Lines(text) {
		month, n, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if out[month], err = strconv.ParseInt(n, 10, 64); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		out[load.NoMonth] = 0
	}
	return out, err
}

// runsTable checks that _runs has each run that published, once and as it ended.
func (w *warehouse) runsTable(v *verdict) error {
	text, err := w.query("SELECT run, exit_code, outcome, clients, JSONExtractString(report, 'run') FROM " + database + "._runs FORMAT TSV")
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for line := range strings.Lines(text) {
		field := strings.Fields(line)
		run := field[0]
		v.that(!have[run], "_runs has run %s twice", run)
		have[run] = true
		_, shown := w.runs[run]
		v.that(shown, "_runs has run %s, which nothing shows", run)
		v.that(field[4] == run, "_runs has the report of %s with run %s", field[4], run)
		if e := w.listed[run]; e != nil && !e.maybe {
			is := fmt.Sprint(e.code, " ", e.outcome, " ", e.clients)
			v.that(is == strings.Join(field[1:4], " "), "_runs says of run %s %v, it was %s", run, field[1:4], is)
		}
	}
	for _, run := range slices.Sorted(maps.Keys(w.listed)) {
		v.that(have[run] || w.listed[run].maybe, "_runs lacks run %s", run)
	}
	return nil
}

// twins holds the digests that ClickHouse's books have against those of the
// Parquet snapshot of the same run.
func (w *warehouse) twins(f *facts) (found []string, err error) {
	if f.after == nil {
		return nil, nil
	}
	m, err := readManifest(f.after.dir)
	if err != nil {
		return nil, err
	}
	text, err := w.query("SELECT table, partition, rows, digest FROM " + database + "._partitions WHERE run = '" + m.Run + "' FORMAT TSV")
	if err != nil || text == "" {
		return nil, err
	}
	var is, want []string
	for name, t := range m.Tables {
		for _, file := range t.Files {
			want = append(want, fmt.Sprintf("%s\t%s\t%d\t%s", name, file.Partition, file.Rows, file.Digest))
		}
	}
	is = strings.Split(text, "\n")
	slices.Sort(is)
	slices.Sort(want)
	if !slices.Equal(is, want) {
		found = append(found, fmt.Sprintf("run %s published in Parquet\n%s\nand in ClickHouse\n%s", m.Run, strings.Join(want, "\n"), strings.Join(is, "\n")))
	}
	return found, nil
}
