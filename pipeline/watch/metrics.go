package watch

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"roistat-etl/internal/regular"
	"roistat-etl/pipeline"
	"roistat-etl/schemas"
)

// WriteMetrics writes the metrics of these runs into a file in Prometheus' text
// format, by rename: a reader finds the former file or the whole new one. It
// holds the pipelines of these reports and no other. What no run has come to
// know yet has no sample.
func WriteMetrics(path string, reports []*pipeline.Report) error {
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collector{newMetrics(), reports}); err != nil {
		return fmt.Errorf("write the metrics: %w", err)
	}
	if err := regular.Check(path); err != nil {
		return fmt.Errorf("write the metrics: %w", err)
	}
	if err := prometheus.WriteToTextfile(path, registry); err != nil {
		return fmt.Errorf("write the metrics: %w", err)
	}
	return nil
}

// metrics are what is told, by name.
type metrics struct {
	success, exitCode, calls, left, never, rows, rejects, duration *prometheus.Desc
}

func newMetrics() metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("roistat_etl_"+name, help, append([]string{"pipeline"}, labels...), nil)
	}
	return metrics{
		success:  desc("last_success_timestamp_seconds", "When a run last ended with exit code 0 or 3: published."),
		exitCode: desc("exit_code", "Exit code of the latest run."),
		calls:    desc("calls_total", "Calls of all runs by kind. Those retried and refused are among list, feed and campaign.", "kind"),
		left:     desc("feeds_left", "Feeds that were due and that the latest extraction did not come to."),
		never:    desc("feeds_never_fetched", "Live clients whose feed was never read."),
		rows:     desc("rows", "Published rows by table.", "table"),
		rejects:  desc("rejects", "Items and fields that the latest projection could not use, by reason.", "reason"),
		duration: desc("duration_seconds", "How long each stage of the latest run took.", "stage"),
	}
}

// collector gives the samples of some reports.
type collector struct {
	metrics
	reports []*pipeline.Report
}

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.success, c.exitCode, c.calls, c.left, c.never, c.rows, c.rejects, c.duration} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	for _, r := range c.reports {
		c.collect(r, to)
	}
}

func (c collector) collect(r *pipeline.Report, to chan<- prometheus.Metric) {
	d := &r.Details
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{r.Pipeline}, labels...)...)
	}
	gauge(c.exitCode, float64(r.ExitCode))
	if !d.LastSuccess.IsZero() {
		gauge(c.success, float64(d.LastSuccess.UnixMilli())/1000)
	}
	for kind, n := range map[string]int64{
		"list": d.Calls.List, "feed": d.Calls.Feed, "campaign": d.Calls.Campaign, "retried": d.Calls.Retried, "refused": d.Calls.Refused,
	} {
		to <- prometheus.MustNewConstMetric(c.calls, prometheus.CounterValue, float64(n), r.Pipeline, kind)
	}
	gauge(c.left, float64(d.Left))
	gauge(c.never, float64(d.NeverFetched))
	for table, n := range d.Rows {
		gauge(c.rows, float64(n), table)
	}
	for _, reason := range schemas.Reasons() {
		gauge(c.rejects, float64(d.Rejects[reason]), string(reason))
	}
	gauge(c.duration, d.Stages.Extract.Seconds(), "extract")
	gauge(c.duration, d.Stages.Transform.Seconds(), "transform")
	gauge(c.duration, d.Stages.Load.Seconds(), "load")
}
