package config

import (
	"math"
	"regexp"
	"time"
)

var (
	namePattern   = regexp.MustCompile(`^[a-z0-9_-]{1,100}$`)
	metricPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

// document is the whole file before its pipelines are read.
type document struct {
	version   int
	defaults  *node
	pipelines *node
}

// fileTable holds the keys at the top of the file; dir is the file's folder.
func fileTable(pipelines table[Pipeline]) table[document] {
	return table[document]{
		where:    "at the top of the file",
		required: []string{"version", "pipelines"},
		keys: []key[document]{
			leaf("version", func(d *document) *int { return &d.version }, versionOne),
			{name: "defaults", set: func(_ cursor, d *document, n *node) { d.defaults = n }},
			{name: "pipelines", set: func(_ cursor, d *document, n *node) { d.pipelines = n }, below: pipelines.known()},
		},
	}
}

func versionOne(s scalar) (int, error) {
	if s.text != "1" || s.quoted {
		return 0, s.wants("1, the one version that this program reads")
	}
	return 1, nil
}

func pipelineTable(dir string) table[Pipeline] {
	return table[Pipeline]{
		where:    "in a pipeline",
		required: []string{"name", "project", "load"},
		keys: []key[Pipeline]{
			leaf("name", func(p *Pipeline) *string { return &p.Name }, matching(namePattern, "at most 100 small letters a-z, digits, _ and -")),
			needing(NeedProject|NeedAPI|NeedTransform|NeedLoad, leaf("project", func(p *Pipeline) *string { return &p.Project }, project)),
			group("api", NeedAPI, func(p *Pipeline) *API { return &p.API }, apiTable(dir)),
			group("extract", NeedAPI, func(p *Pipeline) *Extract { return &p.Extract }, extractTable()),
			group("transform", NeedTransform, func(p *Pipeline) *Transform { return &p.Transform }, transformTable(dir)),
			group("gates", NeedGates, func(p *Pipeline) *Gates { return &p.Gates }, gatesTable()),
			needing(NeedMirror, leaf("mirror", func(p *Pipeline) *string { return &p.Mirror }, filePath(dir))),
			needing(NeedMirror, leaf("mirror_backup", func(p *Pipeline) *string { return &p.MirrorBackup }, optional(s3URL))),
			list("load", NeedLoad, func(p *Pipeline) *[]Destination { return &p.Load }, newDestination, loadTable(dir)),
		},
	}
}

func needing[T any](need Need, k key[T]) key[T] {
	k.need = need
	return k
}

func apiTable(dir string) table[API] {
	return table[API]{
		where:    "under api",
		required: []string{"key|key_file"},
		keys: []key[API]{
			leaf("base_url", func(a *API) *string { return &a.BaseURL }, baseURL),
			secret("key", NeedAPI, func(a *API) *Secret { return &a.Key }, headerText),
			secretFile("key_file", NeedAPI, dir, func(a *API) *string { return &a.KeyFile }, func(a *API) *Secret { return &a.Key }, headerText),
			leaf("per_second", func(a *API) *float64 { return &a.PerSecond }, rate),
			leaf("per_hour", func(a *API) *int { return &a.PerHour }, whole(1, math.MaxInt)),
			leaf("concurrency", func(a *API) *int { return &a.Concurrency }, whole(1, 1024)),
			leaf("timeout", func(a *API) *time.Duration { return &a.Timeout }, lasting(1)),
			leaf("max_attempts", func(a *API) *int { return &a.MaxAttempts }, whole(1, 100)),
			leaf("max_response", func(a *API) *Bytes { return &a.MaxResponse }, size(1<<10, 1<<30)),
			leaf("ca_file", func(a *API) *string { return &a.CAFile }, optional(filePath(dir))),
		},
	}
}

func extractTable() table[Extract] {
	return table[Extract]{
		where: "under extract",
		keys: []key[Extract]{
			leaf("page_size", func(e *Extract) *int { return &e.PageSize }, whole(1, 100_000)),
			filtersKey(),
			group("refresh", NeedAPI, func(e *Extract) *Refresh { return &e.Refresh }, refreshTable()),
			list("campaigns", NeedAPI, func(e *Extract) *[]Campaign { return &e.Campaigns }, newCampaign, campaignTable()),
		},
	}
}

func refreshTable() table[Refresh] {
	return table[Refresh]{
		where: "under extract.refresh",
		keys: []key[Refresh]{
			leaf("budget", func(r *Refresh) *int { return &r.Budget }, whole(0, math.MaxInt)),
			leaf("deadline", func(r *Refresh) *time.Duration { return &r.Deadline }, lasting(0)),
			leaf("max_age", func(r *Refresh) *time.Duration { return &r.MaxAge }, lasting(0)),
			leaf("min_age", func(r *Refresh) *time.Duration { return &r.MinAge }, lasting(0)),
		},
	}
}

func campaignTable() table[Campaign] {
	return table[Campaign]{
		where:    "under extract.campaigns",
		required: []string{"id"},
		keys: []key[Campaign]{
			leaf("id", func(c *Campaign) *int64 { return &c.ID }, whole[int64](1, math.MaxInt)),
			metricsKey(),
		},
	}
}

func transformTable(dir string) table[Transform] {
	return table[Transform]{
		where: "under transform",
		keys: []key[Transform]{
			leaf("timezone", func(t *Transform) **time.Location { return &t.Timezone }, zone),
			leaf("report_timezone", func(t *Transform) **time.Location { return &t.ReportTimezone }, zone),
			leaf("gone_clients", func(t *Transform) *string { return &t.GoneClients }, word(GoneDrop, GoneKeep)),
			leaf("retain_gone", func(t *Transform) *time.Duration { return &t.RetainGone }, lasting(0)),
			privacyKey(),
			secret("salt", NeedSalt, func(t *Transform) *Secret { return &t.Salt }, saltText),
			secretFile("salt_file", NeedSalt, dir, func(t *Transform) *string { return &t.SaltFile }, func(t *Transform) *Secret { return &t.Salt }, saltText),
		},
	}
}

func gatesTable() table[Gates] {
	return table[Gates]{
		where: "under gates",
		keys: []key[Gates]{
			leaf("max_failed_clients", func(g *Gates) *Share { return &g.MaxFailedClients }, percentage),
			leaf("max_client_drop", func(g *Gates) *Share { return &g.MaxClientDrop }, percentage),
			leaf("max_row_drop", func(g *Gates) *Share { return &g.MaxRowDrop }, percentage),
			leaf("max_rejects", func(g *Gates) *Share { return &g.MaxRejects }, percentage),
		},
	}
}

func loadTable(dir string) table[Destination] {
	return table[Destination]{
		where:    "under load",
		required: []string{"parquet|clickhouse"},
		keys: []key[Destination]{
			choice("parquet", func(d *Destination) **Parquet { return &d.Parquet }, newParquet, parquetTable(dir)),
			choice("clickhouse", func(d *Destination) **ClickHouse { return &d.ClickHouse }, newClickHouse, clickHouseTable(dir)),
		},
	}
}

func parquetTable(dir string) table[Parquet] {
	return table[Parquet]{
		where:    "under load's parquet",
		required: []string{"path"},
		keys: []key[Parquet]{
			leaf("path", func(p *Parquet) *string { return &p.Path }, eitherPath(dir)),
			leaf("compression", func(p *Parquet) *string { return &p.Compression }, word("zstd", "snappy", "gzip", "none")),
			leaf("keep", func(p *Parquet) *int { return &p.Keep }, whole(1, 1_000_000)),
		},
	}
}

func clickHouseTable(dir string) table[ClickHouse] {
	return table[ClickHouse]{
		where:    "under load's clickhouse",
		required: []string{"url"},
		keys: []key[ClickHouse]{
			leaf("url", func(h *ClickHouse) *string { return &h.URL }, clickHouseURL),
			leaf("ca_file", func(h *ClickHouse) *string { return &h.CAFile }, optional(filePath(dir))),
			secret("password", NeedPassword, func(h *ClickHouse) *Secret { return &h.Password }, anyText),
			secretFile("password_file", NeedPassword, dir, func(h *ClickHouse) *string { return &h.PasswordFile }, func(h *ClickHouse) *Secret { return &h.Password }, anyText),
		},
	}
}
