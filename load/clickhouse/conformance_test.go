package clickhouse

import (
	"context"
	"errors"
	"testing"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/load/loadtest"
)

func TestConformance(t *testing.T) { loadtest.Run(t, harness) }

// harness is a database behind a proxy that breaks the connection at a step.
func harness(t *testing.T) loadtest.Harness {
	s := clickhousetest.Shared(t)
	name := s.Database(t)
	proxy := clickhousetest.StartProxy(t, s.Native)
	d := through(t, proxy, name)
	looker := as(t, s, "etl", name)
	return loadtest.Harness{
		Destination: d,
		Read:        func(ctx context.Context) (loadtest.Content, error) { return looker.readAll(ctx) },
		Leftovers: func() ([]string, error) {
			state, err := looker.inspect(context.WithoutCancel(t.Context()))
			if err != nil {
				return nil, err
			}
			var left []string
			for _, n := range state.next {
				left = append(left, n.name)
			}
			return left, nil
		},
		Break: func(step loadtest.Step) { proxy.Set(brokenAt(step)) },
		Close: func() error { proxy.Set(clickhousetest.Fault{}); return errors.Join(d.Close(), looker.Close()) },
	}
}

// through makes a destination behind a proxy.
func through(t *testing.T, p *clickhousetest.Proxy, database string) *Destination {
	t.Helper()
	return open(t, "clickhouse://etl@"+p.Addr+"/"+database, "")
}

// brokenAt cuts each connection at the statement that only this step makes.
func brokenAt(step loadtest.Step) clickhousetest.Fault {
	match := map[loadtest.Step]string{
		loadtest.Write:  "INSERT INTO `visits__next_",
		loadtest.Check:  "sum(xxHash64(r))",
		loadtest.Commit: "INSERT INTO `_partitions`",
	}[step]
	if match == "" {
		return clickhousetest.Fault{}
	}
	return clickhousetest.Fault{Action: clickhousetest.Cut, Match: match, Always: true}
}
