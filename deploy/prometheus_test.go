package deploy_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/goccy/go-yaml"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/watch"
	"roistat-etl/schemas"
)

// written are the metrics that a run writes, with their labels.
func written(t *testing.T) map[string][]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "roistat.prom")
	r := &pipeline.Report{Pipeline: "demo", Details: pipeline.Details{
		Rows: map[string]int64{"visits": 1}, Rejects: map[schemas.Reason]int64{schemas.NoID: 1}, LastSuccess: time.Unix(1, 0),
	}}
	if err := watch.WriteMetrics(path, []*pipeline.Report{r}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(f)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string][]string{}
	for name, family := range families {
		for _, l := range family.GetMetric()[0].GetLabel() {
			names[name] = append(names[name], l.GetName())
		}
	}
	return names
}

// check demands that an expression can be read and asks for nothing that no run writes.
func check(t *testing.T, names map[string][]string, where, expr string) {
	t.Helper()
	e, err := metricsql.Parse(expr)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	asked := 0
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		switch x := e.(type) {
		case *metricsql.MetricExpr:
			for _, filters := range x.LabelFilterss {
				asked++
				labels, ok := names[filters[0].Value]
				if !ok {
					t.Errorf("%s: no run writes %s", where, filters[0].Value)
				}
				for _, f := range filters[1:] {
					if !slices.Contains(labels, f.Label) {
						t.Errorf("%s: %s has no label %s", where, filters[0].Value, f.Label)
					}
				}
			}
		case *metricsql.AggrFuncExpr:
			for _, l := range x.Modifier.Args {
				if !slices.ContainsFunc(slices.Collect(maps.Values(names)), func(labels []string) bool { return slices.Contains(labels, l) }) {
					t.Errorf("%s: nothing has the label %s", where, l)
				}
			}
		}
	})
	if asked == 0 {
		t.Errorf("%s: it asks for no metric", where)
	}
}

func TestAlertRules(t *testing.T) {
	text, err := os.ReadFile("prometheus/roistat-etl.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	names := written(t)
	for _, r := range file.Groups[0].Rules {
		check(t, names, r.Alert, r.Expr)
		if !strings.HasPrefix(r.Alert, "RoistatEtl") || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%+v", r)
		}
	}
	if n := len(file.Groups[0].Rules); n < 8 {
		t.Errorf("%d rules", n)
	}
}

func TestDashboardAsksForWhatIsWritten(t *testing.T) {
	text, err := os.ReadFile("grafana/roistat-etl.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title, Description string
			Targets            []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	names := written(t)
	for _, p := range board.Panels {
		if p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("%s: %+v", p.Title, p)
		}
		for _, target := range p.Targets {
			check(t, names, p.Title, target.Expr)
		}
	}
}
