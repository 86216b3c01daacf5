package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/extract/mirror"
	"roistat-etl/load"
	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// Erasure is what erasing clients says of itself: the report of a run, and what
// became of whom. Field order is the order of the JSON.
type Erasure struct {
	*Report
	Forgotten  []ForgottenClient `json:"forgotten"`
	Contacts   int64             `json:"contacts"` // rows of campaign answers that were deleted
	Unlisted   int64             `json:"unlisted"` // elements of the list without a usable id that were deleted
	Imported   int64             `json:"imported"` // rejects of imports that were deleted
	Mirror     string            `json:"mirror"`   // clean or unclean: whether no byte is left in its file
	StillShows []string          `json:"still_shows"`
}

// ForgottenClient is a client that a pipeline was told to forget.
type ForgottenClient struct {
	ClientID int64      `json:"client_id"`
	State    string     `json:"state"` // erased, forgotten (before), or unknown: never seen
	At       *time.Time `json:"at"`    // when it was forgotten
}

// What became of a client, and of the mirror's file.
const (
	ClientErased    = "erased"
	ClientForgotten = "forgotten"
	ClientUnknown   = "unknown"

	MirrorClean   = "clean"
	MirrorUnclean = "unclean"
)

// metaErasing is the mirror's key for an erasure that has not come to its end:
// destinations may still show who was erased. It holds how many rows that were.
const metaErasing = "erasing"

// erased counts the rows that erased clients had: the gates must not take them
// for a loss.
type erased struct {
	Live int64            `json:"live"`
	Rows map[string]int64 `json:"rows"`
}

// Forget erases clients from a pipeline's mirror and from all that was published
// of it, and remembers their ids so that they are not fetched again. It makes no
// call. What could not be done now is done by the next Forget or Run.
func Forget(ctx context.Context, p *config.Pipeline, clients []int64, o Options) *Erasure {
	start := time.Now()
	e := &eraser{
		running: &running{pipeline: p, options: o, log: o.Log.With("pipeline", p.Name), began: start, eachApart: true},
		result:  &Erasure{Forgotten: []ForgottenClient{}, Mirror: MirrorUnclean, StillShows: []string{}},
	}
	name, err := newRun(start)
	e.report = newReport(name, p.Name, p.Project, start)
	e.result.Report = e.report
	if err == nil {
		err = e.hold(ctx, func(ctx context.Context) error { return e.all(ctx, clients) })
	}
	if err != nil {
		e.finish(err)
	}
	return e.result
}

// eraser is an erasure under way.
type eraser struct {
	*running
	result *Erasure
	rows   *projection // without the clients; nil: not needed yet
	spool  *load.Spool // holds them
}

// all erases, cleans the file and publishes. What fails doesn't keep the rest
// from being tried.
func (e *eraser) all(ctx context.Context, clients []int64) (err error) {
	if err := e.erase(ctx, clients); err != nil {
		return err
	}
	unclean := e.mirror.Clean(ctx)
	if unclean == nil {
		e.result.Mirror = MirrorClean
	}
	return errors.Join(e.everywhere(ctx), unclean)
}

// erase deletes the clients from the mirror.
func (e *eraser) erase(ctx context.Context, clients []int64) error {
	note, err := e.note(ctx, clients)
	if err != nil {
		return err
	}
	contacts, err := e.contactRows(ctx)
	if err != nil {
		return err
	}
	at := e.report.StartedAt
	out, err := e.mirror.Forget(ctx, mirror.Erasure{Clients: clients, At: at, Note: [2]string{metaErasing, note}, Report: redact})
	if err != nil {
		return err
	}
	e.tell(out, at)
	return e.noteContacts(ctx, out, contacts)
}

// tell brings what was erased into the report.
func (e *eraser) tell(out mirror.Erased, at time.Time) {
	e.result.Contacts, e.result.Unlisted, e.result.Imported = out.Contacts, out.Unlisted, out.Imported
	n := 0
	for _, c := range out.Clients {
		f := ForgottenClient{ClientID: c.Client, State: ClientUnknown, At: &at}
		switch {
		case !c.Before.IsZero():
			f.State, f.At = ClientForgotten, &c.Before
		case c.Known:
			f.State = ClientErased
			n++
		}
		e.result.Forgotten = append(e.result.Forgotten, f)
	}
	e.report.Reasons = append(e.report.Reasons, fmt.Sprintf("%d of %d clients were erased", n, len(out.Clients)))
}

// contactRows counts the rows that the campaigns make, by table.
func (e *eraser) contactRows(ctx context.Context) (map[string]int64, error) {
	n := erased{Rows: map[string]int64{}}
	t := transform.New(memory.NewGoAllocator(), transformOptions(e.pipeline))
	for c, err := range e.mirror.Campaigns(ctx) {
		if err != nil {
			return nil, err
		}
		if err := t.StreamCampaigns([]schemas.Campaign{c}, n.count); err != nil {
			return nil, err
		}
	}
	return n.Rows, nil
}

// noteContacts adds to the note what went besides the clients' own rows.
func (e *eraser) noteContacts(ctx context.Context, out mirror.Erased, before map[string]int64) error {
	if out.Contacts+out.Unlisted+out.Imported == 0 {
		return nil
	}
	after, err := e.contactRows(ctx)
	if err != nil {
		return err
	}
	for table, n := range before {
		e.erased.Rows[table] += n - after[table]
	}
	e.erased.Rows[schemas.Rejects.String()] += out.Unlisted + out.Imported
	text, err := json.Marshal(e.erased)
	return errors.Join(err, e.mirror.SetMeta(ctx, metaErasing, string(text)))
}

// note counts the rows of the clients, and of those whose erasure has not ended.
func (e *eraser) note(ctx context.Context, clients []int64) (string, error) {
	var err error
	if e.erased, err = pendingErasure(ctx, e.mirror.Reader); err != nil {
		return "", err
	}
	t := transform.New(memory.NewGoAllocator(), transformOptions(e.pipeline))
	for _, id := range clients {
		c, ok, err := e.mirror.Client(ctx, id)
		if err != nil {
			return "", err
		}
		if !ok {
			continue
		}
		if err := t.Stream([]schemas.Client{c}, e.erased.count); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(e.erased)
	return string(text), err
}

// count adds the rows of batches, which it releases.
func (n *erased) count(b *transform.Batches) error {
	defer b.Release()
	n.Live += b.LiveClients
	for id, record := range b.Records {
		if record != nil {
			n.Rows[schemas.ID(id).String()] += record.NumRows()
		}
	}
	return nil
}

// pendingErasure reads what an erasure that has not ended has noted.
func pendingErasure(ctx context.Context, m *mirror.Reader) (n erased, err error) {
	n.Rows = map[string]int64{}
	text, err := m.Meta(ctx, metaErasing)
	if err != nil || text == "" {
		return n, err
	}
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return n, fmt.Errorf("read %s: %w", metaErasing, err)
	}
	return n, nil
}
