package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"roistat-etl/extract/api"
	"roistat-etl/extract/backup"
	"roistat-etl/extract/mirror"
	"roistat-etl/internal/endpoint"
	"roistat-etl/load"
	"roistat-etl/pipeline/config"
)

// Finding is one check of a pipeline: what was looked at, whether it is well,
// and what a person can do if it is not.
type Finding struct {
	Pipeline string `json:"-"` // the line "config" names it
	Check    string `json:"check"`
	OK       bool   `json:"ok"`
	Detail   string `json:"detail"`
	Remedy   string `json:"remedy"`

	class Class
}

// Class is Done for a check that is well, else what a run would end with.
func (f Finding) Class() Class { return f.class }

// good and bad make findings; a bad one has the class of its error, or Broken.
func good(check, format string, args ...any) Finding {
	return Finding{Check: check, OK: true, Detail: fmt.Sprintf(format, args...)}
}

func bad(check string, err error, remedy string) Finding {
	f := Finding{Check: check, Detail: err.Error(), Remedy: remedy, class: Broken}
	var known *Error
	if errors.As(err, &known) {
		f.class = known.Class
	}
	return f
}

// Check looks at everything that a run needs: the API with at most three calls,
// the mirror and the destinations, which it leaves as they are.
func Check(ctx context.Context, p *config.Pipeline, o Options, each func(Finding) error) (err error) {
	c := &checker{pipeline: p, each: each, lineage: lineage{path: p.Mirror}}
	defer func() {
		if c.reader != nil {
			err = errors.Join(err, c.reader.Close())
		}
	}()
	c.say(good("config", "%s, project %s, key ***", p.Name, p.Project))
	c.api(ctx, o)
	c.copies(ctx)
	c.mirror(ctx)
	c.destinations(ctx)
	return errors.Join(c.err, context.Cause(ctx))
}

// checker hands its findings on until somebody doesn't want them any more.
type checker struct {
	pipeline *config.Pipeline
	each     func(Finding) error
	lineage  lineage
	reader   *mirror.Reader  // nil: none that can be read
	broken   bool            // there is a mirror that can't be read
	copy     *backup.Pointer // the latest; nil: none
	err      error
}

func (c *checker) say(f Finding) {
	f.Pipeline = c.pipeline.Name
	if c.err == nil {
		c.err = c.each(f)
	}
}

// api asks one client, its feed and one contact: each needs another permission.
func (c *checker) api(ctx context.Context, o Options) {
	client, err := newClient(c.pipeline, o.Transport)
	if err != nil {
		c.say(bad("api", classed(Misconfigured, "%w", err), "correct api in the configuration"))
		return
	}
	defer client.Close()
	page, err := client.List(ctx, api.ListQuestion{Filters: c.pipeline.Extract.Filters, Limit: 1})
	if err != nil {
		c.say(refusal(keyOrPermission(err), err))
		return
	}
	c.say(good("key", "the API knows it"))
	c.say(good("clients", "%d are listed", page.Total))
	c.feed(ctx, client, page)
	c.campaign(ctx, client)
}

// keyOrPermission names what a refused call was the check of.
func keyOrPermission(err error) string {
	var e *api.Error
	if errors.As(err, &e) && e.Kind == api.Refused {
		if e.Code == "authentication_failed" || e.HTTP == 401 {
			return "key"
		}
		return "permission"
	}
	return "api"
}

func refusal(check string, err error) Finding {
	var e *api.Error
	if !errors.As(err, &e) {
		return bad(check, err, "")
	}
	class, remedy := Broken, cmp.Or(e.Hint(), "try again later; if it stays so, check base_url and the network")
	if e.Kind == api.Refused {
		class, remedy = Denied, api.Remedy(e.Code)
	}
	return bad(check, classed(class, "%w", err), remedy)
}

func (c *checker) feed(ctx context.Context, client *api.Client, page *api.ListPage) {
	if len(page.Rows) == 0 {
		c.say(good("feeds", "not asked for: there are no clients"))
		return
	}
	var row struct {
		ID json.RawMessage `json:"id"`
	}
	err := json.Unmarshal(page.Rows[0], &row)
	id, ok := api.Whole(row.ID)
	if err != nil || !ok {
		c.say(good("feeds", "not asked for: the first client has no usable id"))
		return
	}
	feed, err := client.Feed(ctx, id)
	var e *api.Error
	switch {
	case errors.As(err, &e) && e.Kind == api.NotFound:
		c.say(good("feeds", "client %d has none", id))
	case err != nil:
		c.say(refusal("feeds", err))
	default:
		c.say(good("feeds", "client %d has %d items", id, feed.Items))
	}
}

func (c *checker) campaign(ctx context.Context, client *api.Client) {
	if len(c.pipeline.Extract.Campaigns) == 0 {
		return
	}
	first := c.pipeline.Extract.Campaigns[0]
	page, err := client.Contacts(ctx, api.ContactsQuestion{Metrics: first.Metrics, Campaigns: []int64{first.ID}, Limit: 1})
	if err != nil {
		c.say(refusal("campaigns", err))
		return
	}
	c.say(good("campaigns", "campaign %d has %d contacts", first.ID, page.Total))
}

// mirror opens the mirror for reading, or sees whether one could be made.
func (c *checker) mirror(ctx context.Context) {
	if _, err := mirror.RealPath(c.pipeline.Mirror); err != nil {
		c.say(bad("mirror", err, "mount its disk, or correct the link"))
		return
	}
	m, err := mirror.OpenReader(ctx, c.pipeline.Mirror)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, mirror.ErrEmpty) {
		if err := writable(filepath.Dir(c.pipeline.Mirror)); err != nil {
			c.say(bad("mirror", err, "make the folder writable, or put the mirror elsewhere"))
			return
		}
		if c.copy != nil {
			c.lineage.id = c.copy.Mirror
			c.say(good("mirror", "%s will be restored from mirror_backup", c.pipeline.Mirror))
			return
		}
		c.say(good("mirror", "%s will be made by the first run", c.pipeline.Mirror))
		return
	}
	if err == nil {
		c.reader = m
		err = m.QuickCheck(ctx)
	}
	if err == nil {
		err = c.identity(ctx)
	}
	if err == nil {
		err = writable(filepath.Dir(c.pipeline.Mirror))
	}
	if err != nil {
		c.broken = c.lineage.id == ""
		remedy := "see docs/configuration.md: mirror"
		if mirrorLost(err) {
			remedy = "restore a copy of the file, or move it away"
		}
		c.say(bad("mirror", mirrorError(ctx, err), remedy))
		return
	}
	c.say(good("mirror", "%s, id %s%s", c.pipeline.Mirror, c.lineage.id, openFolder(c.pipeline.Mirror)))
}

// identity reads whose mirror it is, and whether it is this pipeline's.
func (c *checker) identity(ctx context.Context) (err error) {
	if c.lineage, err = lineageOf(ctx, c.pipeline, c.reader); err != nil {
		return err
	}
	project, address, err := filledFrom(ctx, c.reader)
	if err != nil {
		return err
	}
	return refuseOther(c.pipeline, project, address, false)
}

// openFolder says that others can look into the mirror's folder. Its files are
// for their owner alone in any case.
func openFolder(path string) string {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("; others can look into its folder: chmod 700 %s", dir)
}

// copies looks where the mirror's copies are, and tries what they need.
func (c *checker) copies(ctx context.Context) {
	if c.pipeline.MirrorBackup == "" {
		return
	}
	detail, remedy, err := c.lookAtCopies(ctx)
	if err != nil {
		c.say(bad("mirror_backup", holdError(ctx, err), remedy))
		return
	}
	c.say(good("mirror_backup", "%s", detail))
}

func (c *checker) lookAtCopies(ctx context.Context) (detail, remedy string, err error) {
	s, err := backup.Open(c.pipeline.MirrorBackup)
	if err != nil {
		return "", "correct mirror_backup or the environment", classed(Misconfigured, "%w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	const later = "see docs/configuration.md: mirror_backup"
	if err := s.Try(ctx); err != nil {
		return "", later, err
	}
	p, err := s.Latest(ctx)
	if err != nil {
		return "", later, err
	}
	who, held, err := s.Holder(ctx)
	if err != nil {
		return "", later, err
	}
	detail = s.String() + " holds no copy yet"
	if c.copy = p; p != nil {
		detail = fmt.Sprintf("%s holds a copy of mirror %s as of run %s, saved at %s", s, p.Mirror, p.Run, p.SavedAt.Format(time.RFC3339))
	}
	if held {
		detail += fmt.Sprintf("; run %s (process %d on %s) is at work", who.Run, who.PID, who.Host)
	}
	return detail, "", nil
}

func (c *checker) destinations(ctx context.Context) {
	destinations, err := openDestinations(c.pipeline)
	if err != nil {
		c.say(bad("destination", err, "correct load in the configuration"))
		return
	}
	for i, d := range destinations {
		if inTheClear(c.pipeline.Load[i]) {
			c.say(good("encryption", "%s: rows and the password cross the network in the clear; add ?secure=true to the URL", d))
		}
		c.destination(ctx, d)
	}
	c.err = errors.Join(c.err, closeDestinations(destinations))
}

// inTheClear tells whether rows leave this machine without TLS.
func inTheClear(d config.Destination) bool {
	if d.ClickHouse == nil {
		return false
	}
	u, err := url.Parse(d.ClickHouse.URL)
	return err == nil && u.Query().Get("secure") != "true" && !endpoint.Loopback(u.Hostname())
}

// needs lets a destination try what it needs; false if something is amiss.
func (c *checker) needs(ctx context.Context, d destination) bool {
	t, ok := d.Destination.(load.Checker)
	if !ok {
		return true
	}
	well := true
	for _, x := range t.Check(ctx) {
		if x.Err == nil {
			c.say(good(x.What, "%s", x.Detail))
			continue
		}
		well = false
		c.say(bad(x.What, publishError(ctx, fmt.Errorf("%s: %w", d, x.Err)), x.Remedy))
	}
	return well
}

func (c *checker) destination(ctx context.Context, d destination) {
	if !c.needs(ctx, d) {
		return
	}
	m, err := d.Published(ctx)
	if _, tried := d.Destination.(load.Checker); err == nil && !tried {
		err = writable(d.target)
	}
	switch {
	case err != nil:
		c.say(bad("destination", publishError(ctx, fmt.Errorf("%s: %w", d, err)), "make it readable and writable, or give another path"))
	case m == nil:
		c.say(good("destination", "%s: nothing is published yet", d))
	case c.broken:
		c.say(good("destination", "%s shows run %s; whether of this mirror can't be told, for it can't be read", d, m.Run))
	default:
		if err := c.lineage.judge(ctx, d, m); err != nil {
			c.say(bad("destination", err, "bring back the mirror that published it, or give another path; if this pipeline is to take over, run once with --adopt"))
			return
		}
		if m.Unlinked != "" {
			c.say(good("destination", "%s has run %s, but readers are not led to it: %s", d, m.Run, m.Unlinked))
			return
		}
		c.say(good("destination", "%s shows run %s", d, m.Run))
	}
}

// writable tells whether files can be made in a folder, or in the nearest one
// above it that exists.
func writable(dir string) error {
	for {
		f, err := os.CreateTemp(dir, ".check-*")
		if err == nil {
			return errors.Join(f.Close(), os.Remove(f.Name()))
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || parent == dir {
			return err
		}
		dir = parent
	}
}
