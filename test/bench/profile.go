package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/pprof/profile"
)

// profile takes the profile by which the compiler optimizes the program: of first
// runs of a small world, and of a large one that is read once and then projected
// again and again.
func (b *bench) profile(ctx context.Context) error {
	dir := filepath.Join(b.dir, "profiles")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := os.Setenv("ROISTAT_ETL_PROFILES", dir); err != nil {
		return err
	}
	b.etl = filepath.Join(b.dir, "profiled")
	if _, err := measure(ctx, ".", "go", "build", "-tags=profile", "-pgo=off", "-trimpath", "-o", b.etl, "./cmd/roistat-etl"); err != nil {
		return err
	}
	if _, err := b.whole(ctx); err != nil {
		return err
	}
	if err := b.projectAgain(ctx); err != nil {
		return err
	}
	return merge(dir, b.record)
}

// projectAgain publishes a large world from the API and then from the mirror.
func (b *bench) projectAgain(ctx context.Context) (err error) {
	s, err := b.startSim(ctx, world{projectionWorld, months})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	p, err := b.newPlace("again", s.url)
	if err != nil {
		return err
	}
	if _, err := b.etlRun(ctx, p); err != nil {
		return err
	}
	for range b.rounds {
		if err := forget(p.tables()); err != nil {
			return err
		}
		if _, err := b.etlRun(ctx, p, "--no-extract"); err != nil {
			return err
		}
	}
	return nil
}

// merge makes one profile of those in a folder. Where the program lay is left out.
func merge(dir, to string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.prof"))
	if err != nil {
		return err
	}
	var all []*profile.Profile
	for _, name := range names {
		p, err := readProfile(name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		all = append(all, p)
	}
	p, err := profile.Merge(all)
	if err != nil {
		return fmt.Errorf("merge %d profiles: %w", len(all), err)
	}
	for _, m := range p.Mapping {
		m.File = ""
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(p.Write(f), f.Close())
}

func readProfile(name string) (*profile.Profile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	p, err := profile.Parse(f)
	return p, errors.Join(err, f.Close())
}
