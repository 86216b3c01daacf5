package pipeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// manifest is a manifest with so many live clients and visits.
func manifest(live, visits int64) *load.Manifest {
	return &load.Manifest{LiveClients: live, Tables: map[string]load.ManifestTable{"visits": {Rows: visits}}}
}

func TestGates(t *testing.T) {
	limits := Limits{FailedClients: 0.01, ClientDrop: 0.2, RowDrop: 0.2, Rejects: 0.01}
	visits := func(n int64) map[schemas.ID]int64 { return map[schemas.ID]int64{schemas.Visits: n} }
	cases := map[string]struct {
		evidence evidence
		stopped  []string
	}{
		"nothing is published yet":            {evidence{live: 0}, nil},
		"five failures are few":               {evidence{failed: 5, attempted: 5}, nil},
		"six of six hundred are 1%":           {evidence{failed: 6, attempted: 600}, nil},
		"six of 599 are more":                 {evidence{failed: 6, attempted: 599}, []string{GateFailedClients}},
		"a fifth of the clients left":         {evidence{live: 80, published: []*load.Manifest{manifest(100, 0)}}, nil},
		"more than a fifth left":              {evidence{live: 79, published: []*load.Manifest{manifest(100, 0)}}, []string{GateClientDrop}},
		"the second destination shows more":   {evidence{live: 79, published: []*load.Manifest{manifest(79, 0), manifest(100, 0)}}, []string{GateClientDrop}},
		"an empty destination judges nothing": {evidence{live: 79, published: []*load.Manifest{nil, manifest(79, 0)}}, nil},
		"a table of 999 rows may vanish":      {evidence{rows: visits(0), published: []*load.Manifest{manifest(0, 999)}}, nil},
		"a table of 1,000 rows may not":       {evidence{rows: visits(0), published: []*load.Manifest{manifest(0, 1000)}}, []string{GateRowDrop}},
		"a fifth of a table may":              {evidence{rows: visits(800), published: []*load.Manifest{manifest(0, 1000)}}, nil},
		"growth is no drop":                   {evidence{live: 200, rows: visits(9000), published: []*load.Manifest{manifest(100, 1000)}}, nil},
		"a hundred rejects are few":           {evidence{feedRejects: 100, items: 100}, nil},
		"101 of 10,100 are 1%":                {evidence{feedRejects: 101, items: 10_100}, nil},
		"101 of 10,099 are more":              {evidence{feedRejects: 101, items: 10_099}, []string{GateRejects}},
		"accepted gates let through":          {evidence{feedRejects: 101, items: 200, accepted: map[string]bool{GateRejects: true}}, nil},
		"another accepted gate does not":      {evidence{feedRejects: 101, items: 200, accepted: map[string]bool{GateRowDrop: true}}, []string{GateRejects}},
		"several gates stop in a fixed order": {evidence{failed: 9, attempted: 9, live: 1, published: []*load.Manifest{manifest(100, 0)}}, []string{GateFailedClients, GateClientDrop}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			gates := judge(c.evidence, limits)
			if diff := cmp.Diff(c.stopped, stopped(gates)); diff != "" {
				t.Errorf("stopped by (-want +got):\n%s\n%+v", diff, gates)
			}
			for i, g := range gates {
				if g.Name != GateNames()[i] {
					t.Errorf("gate %d is %s", i, g.Name)
				}
				if g.Accepted && !c.evidence.accepted[g.Name] {
					t.Errorf("%s was accepted by nobody", g.Name)
				}
			}
		})
	}
}
