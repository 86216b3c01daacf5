package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	smallWorld = 5_000
	largeWorld = 20_000
	months     = 36

	short      = 3    // times as many rounds for what takes a second or less
	floorShare = 0.25 // of the plain program's feeds a second
	cpuGoal    = 1.7  // seconds for 5,000 clients
)

// extraction compares the feeds a second with those of the plain program.
func (b *bench) extraction(ctx context.Context) (string, error) {
	text := "\n## Extraction\n\nFeed calls a second over 16 connections; the stand-in API runs on the same two cores.\n\n" +
		"| clients | program | feed calls/s | whole process, s | CPU s | peak RSS MB |\n|---|---|---|---|---|---|\n"
	worlds := []int{smallWorld}
	if b.long {
		worlds = append(worlds, largeWorld)
	}
	goals := ""
	for _, clients := range worlds {
		rows, goal, err := b.extractWorld(ctx, world{clients, months})
		if err != nil {
			return "", err
		}
		text += rows
		goals += goal
	}
	return text + goals, nil
}

// extractWorld measures one world, both programs in turn.
func (b *bench) extractWorld(ctx context.Context, w world) (rows, goal string, err error) {
	s, err := b.startSim(ctx, w)
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	p, err := b.newPlace("extraction", s.url)
	if err != nil {
		return "", "", err
	}
	var plain, ours figures
	var plainRate, ourRate, ratio series
	for range short * b.rounds {
		f, u, err := b.floor(ctx, s.url)
		if err != nil {
			return "", "", err
		}
		plain.add(u)
		plainRate.add(float64(f.Feeds) / f.Seconds)
		if err := forget(p.mirror(), p.tables()); err != nil {
			return "", "", err
		}
		e, err := b.etlExtract(ctx, p)
		if err != nil {
			return "", "", err
		}
		if e.calls != f.Feeds {
			return "", "", fmt.Errorf("%d feed calls, the plain program made %d", e.calls, f.Feeds)
		}
		ours.add(e.usage)
		ourRate.add(float64(e.calls) / e.stage.Seconds())
		ratio.add(ourRate[len(ourRate)-1] / plainRate[len(plainRate)-1])
	}
	rows = fmt.Sprintf("| %d | plain Go, bodies thrown away | %s | %s |\n", w.clients, plainRate.show("%.0f"), plain.row()) +
		fmt.Sprintf("| %d | roistat-etl run --no-publish | %s | %s |\n", w.clients, ourRate.show("%.0f"), ours.row())
	goal = fmt.Sprintf("\n%d clients: %s of the plain program's feed calls a second. Goal 0.25 or more: %s.\n",
		w.clients, ratio.show("%.2f"), verdict(ratio.median() >= floorShare))
	return rows, goal, forget(p.dir)
}

// floor runs the plain program.
func (b *bench) floor(ctx context.Context, url string) (f floor, u usage, err error) {
	if u, err = measure(ctx, b.dir, b.self, "floor", url); err != nil {
		return f, u, err
	}
	if err := json.Unmarshal(u.out, &f); err != nil {
		return f, u, fmt.Errorf("read what the plain program did: %w", err)
	}
	return f, u, nil
}

// whole measures a first run, from the API to published Parquet.
func (b *bench) whole(ctx context.Context) (text string, err error) {
	s, err := b.startSim(ctx, world{smallWorld, months})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	p, err := b.newPlace("whole", s.url)
	if err != nil {
		return "", err
	}
	var f figures
	var last outcome
	for range short * b.rounds {
		if err := forget(p.mirror(), p.tables()); err != nil {
			return "", err
		}
		if last, err = b.etlRun(ctx, p); err != nil {
			return "", err
		}
		f.add(last.usage)
	}
	text = fmt.Sprintf("\n## From the API to published Parquet\n\n| clients | events | wall s | CPU s | peak RSS MB |\n|---|---|---|---|---|\n| %d | %d | %s |\n",
		smallWorld, last.report.events(), f.row())
	text += fmt.Sprintf("\nCPU of the whole process, the first run of a pipeline. Goal %.1f s or less: %s.\n", cpuGoal, verdict(f.cpu.median() <= cpuGoal))
	return text, forget(p.dir)
}
