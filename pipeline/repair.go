package pipeline

import (
	"context"
	"fmt"

	"roistat-etl/load"
	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
)

// damage is what a repair writes anew, by the target of the destination. A
// destination that is not in it is published to as by any run.
type damage map[string]map[load.PartitionName]bool

// damageOf sorts the findings of an audit. What belongs to no partition, as a lost
// link, is mended by publishing at all.
func damageOf(found []Verified) damage {
	out := damage{}
	for _, f := range found {
		if f.OK {
			continue
		}
		if out[f.Destination] == nil {
			out[f.Destination] = map[load.PartitionName]bool{}
		}
		if t, ok := schemas.ByName(f.Table); ok {
			out[f.Destination][load.PartitionName{Table: t.ID, Month: f.Partition}] = true
		}
	}
	return out
}

// partitions counts what is written anew.
func (d damage) partitions() (n int) {
	for _, named := range d {
		n += len(named)
	}
	return n
}

// Repair publishes what the mirror holds as a new run, without a call: what an
// audit found wrong is written anew, the rest is taken from what is published. Like
// any run it holds the mirror, passes the gates and leaves a report.
func Repair(ctx context.Context, p *config.Pipeline, found []Verified, o Options) *Report {
	o.NoExtract = true
	return execute(ctx, p, o, damageOf(found))
}

// repaired is a destination that doesn't trust what it shows of some partitions.
type repaired struct {
	load.Destination
	name string
	anew map[load.PartitionName]bool
}

// String names the destination in errors.
func (d *repaired) String() string { return d.name }

// Begin starts a publishing that writes the damaged partitions anew.
func (d *repaired) Begin(ctx context.Context, run load.Run, parts []load.Partition) (load.Stage, error) {
	run.Rebuild = d.anew
	return d.Destination.Begin(ctx, run, parts)
}

// nothingToRepairFrom says that there is no mirror, which alone holds the rows.
func nothingToRepairFrom(path string) error {
	return classed(Broken, "there is no mirror %s to rebuild from: is its disk mounted? Bring it back and repeat; without it, run fetches everything anew", path)
}

// noteRepair says in the report what the run was for.
func (r *running) noteRepair() {
	if r.damage != nil {
		r.report.Reasons = append(r.report.Reasons, fmt.Sprintf("it repairs what verify found: %d partitions are written anew", r.damage.partitions()))
	}
}
