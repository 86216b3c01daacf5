package config

import (
	"encoding/json"
	"time"

	"roistat-etl/schemas"
)

// RoistatURL is the base URL of Roistat's own API, the default of base_url.
const RoistatURL = "https://cloud.roistat.com/api/v1"

// What transform.gone_clients may be.
const (
	GoneDrop = "drop" // the feed of a client that left the list leaves the tables
	GoneKeep = "keep" // it stays
)

// File is a configuration file that was found good.
type File struct {
	Path      string // as given to Load
	Version   int    // always 1
	Pipelines []*Pipeline
}

// Pipeline is one pipeline with its defaults merged in. A field whose variable
// is not set is zero; Resolve with the field's Need reports it. A field that the
// file leaves out has its default.
type Pipeline struct {
	Name         string // [a-z0-9_-]+
	Project      string // digits, leading zeros kept
	API          API
	Extract      Extract
	Transform    Transform
	Gates        Gates
	Mirror       string // path of the SQLite file
	MirrorBackup string // s3://… or empty
	Load         []Destination

	src *source
}

// API says how to reach the Roistat API and how much of its quota to spend.
type API struct {
	BaseURL     string  // without a trailing slash
	Key         Secret  // from key or key_file, after Resolve(NeedAPI)
	KeyFile     string  // path, if the key comes from a file
	PerSecond   float64 // calls a second
	PerHour     int     // calls in a sliding hour
	Concurrency int     // calls in flight
	Timeout     time.Duration
	MaxAttempts int
	MaxResponse Bytes  // the largest answer taken
	CAFile      string // path of PEM certificates trusted besides the system's, or empty
}

// Extract says what to ask for.
type Extract struct {
	PageSize  int             // clients asked for in one page
	Filters   json.RawMessage // as sent to the API; nil: none
	Refresh   Refresh
	Campaigns []Campaign
}

// Refresh says which feeds are read again.
type Refresh struct {
	Budget   int           // feed calls a run; 0: no limit
	Deadline time.Duration // of a run's extraction; 0: none
	MaxAge   time.Duration // a feed older than this is due
	MinAge   time.Duration // without budget and deadline: older than this
}

// Campaign is one mail campaign whose contacts are asked for.
type Campaign struct {
	ID      int64
	Metrics []string // at least one
}

// Transform says how answers become rows.
type Transform struct {
	Timezone       *time.Location // of dates that carry no offset; nil only if unresolved
	ReportTimezone *time.Location // of the days in the views; nil only if unresolved
	GoneClients    string         // GoneDrop or GoneKeep
	RetainGone     time.Duration  // then the raw data of a gone client is deleted
	// Privacy are the rules by TABLE.COLUMN or orders.fields.KEY.
	Privacy  schemas.Rules
	Salt     Secret // of hash, after Resolve(NeedSalt); 16 bytes or more
	SaltFile string
}

// Gates are the limits that stop a publishing.
type Gates struct {
	MaxFailedClients, MaxClientDrop, MaxRowDrop, MaxRejects Share
}

// Destination is where the tables go: exactly one field is set.
type Destination struct {
	Parquet    *Parquet
	ClickHouse *ClickHouse
}

// Parquet is a folder, or an s3:// prefix, of snapshots.
type Parquet struct {
	Path        string
	Compression string // zstd, snappy, gzip or none
	Keep        int    // snapshots that stay, the current one among them
}

// ClickHouse is a database.
type ClickHouse struct {
	URL          string // clickhouse://user@host:port/database, without a password
	Password     Secret // after Resolve(NeedPassword)
	PasswordFile string
	CAFile       string // PEM certificates trusted besides the system's
}

// newPipeline gives a pipeline with the defaults that don't depend on its name.
func newPipeline() *Pipeline {
	return &Pipeline{
		API: API{
			BaseURL: RoistatURL, PerSecond: 5, PerHour: 4000, Concurrency: 8,
			Timeout: time.Minute, MaxAttempts: 6, MaxResponse: 64 << 20,
		},
		Extract: Extract{
			PageSize: 1000,
			Refresh:  Refresh{MaxAge: 2160 * time.Hour, MinAge: 20 * time.Hour},
		},
		Transform: Transform{
			Timezone: time.UTC, ReportTimezone: time.UTC,
			GoneClients: GoneDrop, RetainGone: 720 * time.Hour,
		},
		Gates: Gates{MaxFailedClients: 0.01, MaxClientDrop: 0.2, MaxRowDrop: 0.2, MaxRejects: 0.01},
	}
}

func newParquet() *Parquet { return &Parquet{Compression: "zstd", Keep: 3} }

func newClickHouse() *ClickHouse { return &ClickHouse{} }

func newDestination() Destination { return Destination{} }

func newCampaign() Campaign {
	return Campaign{Metrics: []string{"sent", "delivered", "opened", "click", "unsubscribe", "spam"}}
}
