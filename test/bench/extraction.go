package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
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
	text := "\n## Extraction\n\nFeed calls a second over 16 connections; the stand-in API runs on the same two cores. The plain program is net/http as it comes, " +
		"which asks for gzip; roistat-etl doesn't on a loopback address, so the program without gzip stands beside it: the cheapest there can be.\n\n" +
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

// plainProgram is what the plain program did over the rounds, one way of reading.
type plainProgram struct {
	name  string
	args  []string
	used  figures
	rate  series // feeds a second
	ratio series // ours to it
}

// extractWorld measures one world, all programs in turn.
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
	plain := []*plainProgram{{name: "plain Go, bodies thrown away"}, {name: "the same without gzip", args: []string{"bare"}}}
	var ours figures
	var ourRate series
	for range short * b.rounds {
		if err := b.extractRound(ctx, s.url, p, plain, &ours, &ourRate); err != nil {
			return "", "", err
		}
	}
	for _, f := range plain {
		rows += fmt.Sprintf("| %d | %s | %s | %s |\n", w.clients, f.name, f.rate.show("%.0f"), f.used.row())
	}
	rows += fmt.Sprintf("| %d | roistat-etl run --no-publish | %s | %s |\n", w.clients, ourRate.show("%.0f"), ours.row())
	goal = fmt.Sprintf("\n%d clients: %s of the plain program's feed calls a second. Goal 0.25 or more: %s. Of what it does without gzip: %s.\n",
		w.clients, plain[0].ratio.show("%.2f"), verdict(plain[0].ratio.median() >= floorShare), plain[1].ratio.show("%.2f"))
	return rows, goal, forget(p.dir)
}

// extractRound lets each program read the world once.
func (b *bench) extractRound(ctx context.Context, url string, p place, plain []*plainProgram, ours *figures, ourRate *series) error {
	if err := forget(p.mirror(), p.tables()); err != nil {
		return err
	}
	e, err := b.etlExtract(ctx, p)
	if err != nil {
		return err
	}
	rate := float64(e.calls) / e.stage.Seconds()
	ours.add(e.usage)
	ourRate.add(rate)
	for _, f := range plain {
		did, u, err := b.floor(ctx, append([]string{url}, f.args...)...)
		if err != nil {
			return err
		}
		if e.calls != did.Feeds {
			return fmt.Errorf("%d feed calls, the plain program made %d", e.calls, did.Feeds)
		}
		f.used.add(u)
		f.rate.add(float64(did.Feeds) / did.Seconds)
		f.ratio.add(rate * did.Seconds / float64(did.Feeds))
	}
	return nil
}

// floor runs the plain program.
func (b *bench) floor(ctx context.Context, args ...string) (f floor, u usage, err error) {
	if u, err = measure(ctx, b.dir, b.self, append([]string{"floor"}, args...)...); err != nil {
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
	var f figures
	var last outcome
	for round := range short * b.rounds {
		// None is deleted before all have run: ext4 searches for inodes that
		// weren't in use just now, at the expense of who makes the next file.
		p, err := b.newPlace(filepath.Join("whole", strconv.Itoa(round)), s.url)
		if err != nil {
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
	return text, forget(filepath.Join(b.dir, "whole"))
}
