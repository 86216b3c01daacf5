package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
)

// inspection is what night.py found in two snapshots that followed each other.
type inspection struct {
	Clients      int64 `json:"clients"` // read again
	Partitions   int64 `json:"partitions"`
	Touched      int64 `json:"touched"`   // hold rows of those clients
	Differing    int64 `json:"differing"` // hold other rows than before
	Encoded      int64 `json:"encoded"`   // are no hard links
	Bytes        int64 `json:"bytes"`
	EncodedBytes int64 `json:"encoded_bytes"`
}

// night publishes a world, lets a hundredth of its clients change, and publishes again.
func (b *bench) night(ctx context.Context) (text string, err error) {
	s, err := b.startSim(ctx, world{largeWorld, months})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	p, err := b.newPlace("night", s.url)
	if err != nil {
		return "", err
	}
	first, err := b.etlRun(ctx, p)
	if err != nil {
		return "", err
	}
	before, err := filepath.EvalSymlinks(filepath.Join(p.tables(), "current"))
	if err != nil {
		return "", err
	}
	if err := s.night(ctx); err != nil {
		return "", err
	}
	second, err := b.etlRun(ctx, p)
	if err != nil {
		return "", err
	}
	found, err := b.inspect(ctx, before, filepath.Join(p.tables(), "current"))
	if err != nil {
		return "", err
	}
	if changed := second.changed(); changed != found.Encoded {
		return "", fmt.Errorf("the report says %d partitions changed, %d files are no hard links", changed, found.Encoded)
	}
	return nightText(first, second, found), forget(p.dir)
}

// changed is the number of partitions that the run says it encoded.
func (o outcome) changed() (n int64) {
	for _, t := range o.report.Tables {
		n += t.Changed
	}
	return n
}

func (b *bench) inspect(ctx context.Context, before, after string) (i inspection, err error) {
	u, err := measure(ctx, b.dir, b.python, filepath.Join(b.helper, "night.py"), before, after)
	if err != nil {
		return i, fmt.Errorf("the wrong partitions were encoded: %w", err)
	}
	if err := json.Unmarshal(u.out, &i); err != nil {
		return i, fmt.Errorf("read the inspection: %w", err)
	}
	return i, nil
}

func nightText(first, second outcome, i inspection) string {
	row := func(name string, o outcome, encoded string) string {
		return fmt.Sprintf("| %s | %d | %s | %.2f | %.2f |\n", name, o.report.Calls.Feed, encoded, o.wall.Seconds(), o.cpu.Seconds())
	}
	text := fmt.Sprintf("\n## A night\n\n%d clients, a hundredth of which did something. One run each.\n\n"+
		"| run | feed calls | partitions encoded | wall s | CPU s |\n|---|---|---|---|---|\n", largeWorld)
	text += row("first", first, "all")
	text += row("the night after", second, fmt.Sprintf("%d of %d, %.1f of %.1f MB", i.Encoded, i.Partitions,
		float64(i.EncodedBytes)/1e6, float64(i.Bytes)/1e6))
	return text + fmt.Sprintf("\n%d clients were read, those that are new or whose row changed. They have rows in %d of %d partitions, and in %d of those the rows changed; "+
		"just these %d were encoded, all others are hard links (by inode). Goal, only what the changed clients touch: %s.\n",
		i.Clients, i.Touched, i.Partitions, i.Differing, i.Encoded, verdict(i.Encoded <= i.Touched))
}
