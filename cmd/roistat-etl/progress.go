package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"

	"roistat-etl/pipeline"
)

// How often a view looks: a bar moves every second, a log tells now and then.
const (
	barEvery = time.Second
	logEvery = 30 * time.Second
)

// view shows how far runs are: as bars, as log lines or not at all.
type view struct {
	out  io.Writer
	log  *slog.Logger
	bars bool
	logs bool
}

// newView picks the view. auto is a bar on a terminal for one pipeline at a time, else log lines.
func (a *app) newView(mode string, parallel int) *view {
	v := &view{out: a.stderr, bars: mode == "bar", logs: mode == "log"}
	if mode == "auto" {
		v.bars = a.terminal() && parallel == 1
		v.logs = !v.bars
	}
	level := slog.LevelInfo
	if !v.logs {
		level = slog.LevelWarn // what a bar shows needs no line
	}
	if mode == "none" {
		v.log = slog.New(slog.DiscardHandler)
		return v
	}
	v.log = a.logger(level)
	return v
}

// watch shows a run's progress until the context ends.
func (v *view) watch(ctx context.Context, name string, p *pipeline.Progress) error {
	switch {
	case v.bars:
		return v.watchBar(ctx, name, p)
	case v.logs:
		return v.watchLog(ctx, name, p)
	default:
		return nil
	}
}

func (v *view) watchLog(ctx context.Context, name string, p *pipeline.Progress) error {
	return every(ctx, logEvery, func() error {
		s := p.Snapshot()
		if s.Phase != "" {
			v.log.Info("progress", "pipeline", name, "phase", s.Phase, "done", s.Done, "total", s.Total, "failed", s.Failed,
				"per_second", fmt.Sprintf("%.1f", s.PerSecond), "hour_left", s.HourLeft, "eta", eta(s))
		}
		return nil
	})
}

// watchBar draws a bar for each phase; it is wiped at the end, for the report follows.
func (v *view) watchBar(ctx context.Context, name string, p *pipeline.Progress) error {
	var bar *progressbar.ProgressBar
	phase := ""
	err := every(ctx, barEvery, func() error {
		s := p.Snapshot()
		if s.Phase == "" {
			return nil
		}
		if s.Phase != phase || bar == nil {
			if err := finish(bar); err != nil {
				return err
			}
			phase, bar = s.Phase, v.newBar(s.Total)
		}
		bar.ChangeMax64(max(s.Total, 1))
		bar.Describe(describe(name, s))
		return bar.Set64(min(s.Done, max(s.Total, 1)))
	})
	if err != nil {
		return err
	}
	return finish(bar)
}

func (v *view) newBar(total int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(max(total, 1), progressbar.OptionSetWriter(v.out), progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(0))
}

func finish(bar *progressbar.ProgressBar) error {
	if bar == nil {
		return nil
	}
	return bar.Finish()
}

// describe is the text before the bar: phase, rate, what the hour leaves, time to go.
func describe(name string, s pipeline.Snapshot) string {
	text := fmt.Sprintf("%s: %s  %.1f/s", name, s.Phase, s.PerSecond)
	if s.HourLeft >= 0 {
		text += fmt.Sprintf("  %s calls left this hour", humanize.Comma(s.HourLeft))
	}
	if wait := time.Until(s.PausedUntil); wait > time.Second {
		text += "  waiting " + wait.Round(time.Second).String() + " for the quota"
	}
	if s.Failed > 0 {
		text += fmt.Sprintf("  %d failed", s.Failed)
	}
	return text + "  ETA " + eta(s)
}

func eta(s pipeline.Snapshot) string {
	if s.ETA < 0 {
		return "?"
	}
	return s.ETA.Round(time.Second).String()
}

// every calls f at once and then at each interval, until the context ends.
func every(ctx context.Context, interval time.Duration, f func() error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := f(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
