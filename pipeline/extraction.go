package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"roistat-etl/extract"
	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/pipeline/config"
)

// metaExtracted is the mirror's key for the run that last extracted into it, or,
// once all destinations show what that gave, for the oldest run they name.
const metaExtracted = "extracted_by"

// extract brings what is due into the mirror. What it found is in the report,
// also when it failed.
func (r *running) extract(ctx context.Context) error {
	client, err := newClient(r.pipeline, r.options.Transport)
	if err != nil {
		return classed(Misconfigured, "%w", err)
	}
	defer client.Close()
	if err := r.mirror.SetMeta(ctx, metaExtracted, r.report.Run); err != nil {
		return err
	}
	result, err := extract.Run(ctx, r.extractOptions(client))
	r.extracted = result
	r.take(result)
	if err == nil {
		err = r.correctTimes(ctx, client)
	}
	if err = extractError(ctx, err); err == nil || interrupted(ctx) {
		r.report.Reasons = append(r.report.Reasons, result.Incomplete()...)
	}
	return err
}

func newClient(p *config.Pipeline, transport http.RoundTripper) (*api.Client, error) {
	a := p.API
	return api.New(api.Options{
		BaseURL: a.BaseURL, Key: a.Key.Reveal(), Project: p.Project, Timeout: a.Timeout,
		MaxResponse: int64(a.MaxResponse), Concurrency: a.Concurrency, CAFile: a.CAFile, UserAgent: "roistat-etl", Transport: transport,
	})
}

func (r *running) extractOptions(source extract.Source) extract.Options {
	p, o := r.pipeline, r.options
	out := extract.Options{
		Mirror: r.mirror, Source: source, PageSize: p.Extract.PageSize, Filters: p.Extract.Filters, Refresh: refreshOf(p, o),
		PerSecond: p.API.PerSecond, PerHour: int64(p.API.PerHour), Concurrency: p.API.Concurrency, MaxAttempts: p.API.MaxAttempts,
		MaxCampaign: int64(p.API.MaxResponse) * 3 / 8, // 24 MiB of the 64 that are the default
		Log:         r.log, Progress: o.Progress,
	}
	if deadline := deadlineOf(p, o); deadline > 0 {
		out.Deadline = time.Now().Add(deadline)
	}
	for _, c := range p.Extract.Campaigns {
		out.Campaigns = append(out.Campaigns, extract.Campaign{ID: c.ID, Metrics: c.Metrics})
	}
	return out
}

// refreshOf is which feeds to read: as configured, unless a flag says otherwise.
func refreshOf(p *config.Pipeline, o Options) extract.Refresh {
	c := p.Extract.Refresh
	r := extract.Refresh{Budget: int64(c.Budget), MaxAge: c.MaxAge, MinAge: c.MinAge, Full: o.Full, Limited: deadlineOf(p, o) > 0}
	if o.Budget != nil {
		r.Budget = int64(*o.Budget)
	}
	return r
}

func deadlineOf(p *config.Pipeline, o Options) time.Duration {
	if o.Deadline != nil {
		return *o.Deadline
	}
	return p.Extract.Refresh.Deadline
}

// take brings the numbers of an extraction into the report.
func (r *running) take(x *extract.Result) {
	r.report.Calls = CallCounts(x.Calls)
	r.report.Clients = ClientCounts{
		Listed: x.Clients.Listed, Total: x.Clients.Total, ListComplete: x.Clients.Complete,
		New: x.Clients.New, Changed: x.Clients.Changed, Gone: x.Clients.Gone,
	}
	r.report.Feeds.Due, r.report.Feeds.Fetched = x.Feeds.Due, x.Feeds.Fetched
	r.report.Feeds.Failed, r.report.Feeds.Left = x.Feeds.Failed, x.Feeds.Left
	for _, f := range x.FailedClients {
		r.report.FailedClients = append(r.report.FailedClients, FailedClient(f))
	}
}

// extractError gives an error of the extraction its class and the remedy.
func extractError(ctx context.Context, err error) error {
	var refused *api.Error
	switch {
	case err == nil:
		return nil
	case interrupted(ctx):
		return classed(Aborted, "interrupted; what was fetched is kept, and the next run goes on from there")
	case mirrorLost(err):
		return classed(Broken, "%w; nothing was published", err)
	case errors.As(err, &refused) && refused.Kind == api.Refused:
		return classed(Denied, "%w%s; nothing was published", err, remedy(refused.Code))
	default:
		return classed(Broken, "%w; nothing was published, what was fetched is kept: %s", err, advice(refused))
	}
}

// mirrorLost reports whether the mirror can't be gone on with as it is: running
// again alone won't help.
func mirrorLost(err error) bool {
	return errors.Is(err, mirror.ErrDamaged) || errors.Is(err, mirror.ErrRemoved)
}

// advice says what a person can do about a run that failed.
func advice(e *api.Error) string {
	if e != nil && (e.Kind == api.Rejected || e.Kind == api.NotFound) {
		return "check base_url, project and filters, running again alone won't help"
	}
	return "run again later, it goes on from there"
}

func remedy(code string) string {
	if text := api.Remedy(code); text != "" {
		return fmt.Sprintf(": %s", text)
	}
	return ""
}
