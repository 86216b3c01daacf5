package config

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
)

// What one project's quota holds, by Roistat.
const (
	quotaPerSecond = 10
	quotaPerHour   = 5000
)

// check judges one pipeline that was read.
func check(p *Pipeline, found *problems) {
	if len(p.Load) == 0 && len(p.src.set(&p.Load)) > 0 {
		found.add(p.src.where(&p.Load), "load wants one or more destinations")
	}
	for i := range p.Load {
		if d := &p.Load[i]; d.Parquet != nil && d.ClickHouse != nil {
			found.add(p.src.where(d), "%s holds two destinations: write each as an entry of its own", p.src.marks[d].path)
		}
	}
	checkCampaigns(p, found)
	if p.Transform.Privacy.Hash() && len(p.src.set(&p.Transform.Salt, &p.Transform.SaltFile)) == 0 {
		found.add(p.src.where(&p.Transform.Privacy), "transform.privacy: hash wants transform.salt or transform.salt_file")
	}
}

// set gives those of the fields that the file sets.
func (s *source) set(fields ...any) []any {
	var out []any
	for _, f := range fields {
		if _, ok := s.mark(f); ok {
			out = append(out, f)
		}
	}
	return out
}

func checkCampaigns(p *Pipeline, found *problems) {
	seen := map[int64]bool{0: false}
	for i := range p.Extract.Campaigns {
		c := &p.Extract.Campaigns[i]
		if seen[c.ID] {
			found.add(p.src.where(&c.ID), "extract.campaigns[%d].id: campaign %d stands in the list twice", i, c.ID)
		}
		seen[c.ID] = c.ID != 0
	}
}

// checkAll judges the pipelines together.
func checkAll(pipelines []*Pipeline, found *problems) {
	checkNames(pipelines, found)
	checkMirrors(pipelines, found)
	checkDestinations(pipelines, found)
	checkQuotas(pipelines, found)
}

func checkNames(pipelines []*Pipeline, found *problems) {
	first := map[string]place{}
	for _, p := range pipelines {
		at := p.src.where(&p.Name)
		if before, twice := first[p.Name]; twice && p.Name != "" {
			found.add(at, "duplicate pipeline name %q: it stands at line %d already", p.Name, before.line)
			continue
		}
		first[p.Name] = at
	}
}

// claim is a path or database that a pipeline takes for its own.
type claim struct {
	name string // for comparing
	text string // for people
	by   *Pipeline
	at   place
}

func checkMirrors(pipelines []*Pipeline, found *problems) {
	first := map[string]claim{}
	for _, p := range pipelines {
		own := claim{absolute(p.Mirror), p.Mirror, p, p.src.where(&p.Mirror)}
		before, taken := first[own.name]
		switch {
		case p.Mirror == "":
		case taken:
			found.add(later(before, own), "%s share the mirror %s", both(before, own), own.text)
		default:
			first[own.name] = own
		}
	}
}

// checkDestinations reports destinations, and places of copies, that are the same
// or lie in one another.
// In the order of their names, what lies in a folder follows it at once.
func checkDestinations(pipelines []*Pipeline, found *problems) {
	claims := destinations(pipelines)
	slices.SortStableFunc(claims, func(a, b claim) int { return cmp.Compare(a.name, b.name) })
	for i, outer := 1, 0; i < len(claims); i++ {
		a, b := claims[outer], claims[i]
		switch {
		case a.name == b.name:
			found.add(later(a, b), "%s share the destination %s", both(a, b), b.text)
		case strings.HasPrefix(b.name, a.name):
			found.add(later(a, b), "%s: the destination %s lies inside %s", both(a, b), b.text, a.text)
		default:
			outer = i
		}
	}
}

func destinations(pipelines []*Pipeline) []claim {
	var out []claim
	for _, p := range pipelines {
		if p.MirrorBackup != "" {
			out = append(out, claim{p.MirrorBackup + "/", p.MirrorBackup, p, p.src.where(&p.MirrorBackup)})
		}
		for i := range p.Load {
			d := &p.Load[i]
			if name := canonical(*d, absolute); name != "" {
				out = append(out, claim{name, destinationText(*d), p, p.src.where(destinationField(d))})
			}
		}
	}
	return out
}

func destinationField(d *Destination) any {
	if d.Parquet != nil {
		return &d.Parquet.Path
	}
	return &d.ClickHouse.URL
}

func destinationText(d Destination) string {
	if d.Parquet != nil {
		return d.Parquet.Path
	}
	return d.ClickHouse.URL
}

// both names the pipelines of two claims.
func both(a, b claim) string {
	if a.by == b.by {
		return "pipeline " + quote(a.by.Name) + ": two entries"
	}
	return "pipelines " + quote(a.by.Name) + " and " + quote(b.by.Name)
}

// later gives the place of the claim that stands further down.
func later(a, b claim) place {
	if a.at.after(b.at) {
		return a.at
	}
	return b.at
}

func absolute(path string) string {
	if out, err := filepath.Abs(path); err == nil {
		return out
	}
	return filepath.Clean(path)
}

// checkQuotas adds up what the pipelines on a project take of Roistat's quota.
func checkQuotas(pipelines []*Pipeline, found *problems) {
	second, hour := map[string]float64{}, map[string]float64{}
	for _, p := range pipelines {
		if p.Project == "" || !roistats(p.API.BaseURL) {
			continue
		}
		second[p.Project] += p.API.PerSecond
		hour[p.Project] += float64(p.API.PerHour)
		at := p.src.where(&p.API.PerSecond)
		exceed(found, at, "api.per_second", p.Project, second[p.Project], quotaPerSecond, "a second")
		exceed(found, p.src.where(&p.API.PerHour), "api.per_hour", p.Project, hour[p.Project], quotaPerHour, "an hour")
	}
}

func exceed(found *problems, at place, path, project string, sum, quota float64, unit string) {
	if sum > quota {
		found.add(at, "%s: the pipelines on project %s come to %.15g calls %s: Roistat answers %.15g a project", path, project, sum, unit, quota)
	}
}
