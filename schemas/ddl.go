package schemas

import (
	"fmt"
	"slices"
	"strings"
)

// ClickHouse returns the column's ClickHouse type with its codec.
func (c Column) ClickHouse() string {
	_, codec := c.Kind.clickhouse()
	return c.ClickHouseType() + codec
}

// ClickHouseType returns the column's ClickHouse type without its codec.
func (c Column) ClickHouseType() string {
	typ, _ := c.Kind.clickhouse()
	if c.Nullable {
		return nullable(typ)
	}
	return typ
}

func (k Kind) clickhouse() (typ, codec string) {
	switch k {
	case Enum:
		return "LowCardinality(String)", ""
	case Int:
		return "Int64", ""
	case Money:
		return "Decimal(18,2)", " CODEC(T64, ZSTD(1))"
	case Time:
		return "DateTime64(3, 'UTC')", " CODEC(Delta(8), ZSTD(1))"
	case Date:
		return "Date32", ""
	case Bool:
		return "Bool", ""
	case Map:
		return "Map(LowCardinality(String), String)", ""
	default:
		return "String", " CODEC(ZSTD(1))"
	}
}

func nullable(typ string) string {
	if inner, ok := strings.CutPrefix(typ, "LowCardinality("); ok {
		return "LowCardinality(Nullable(" + strings.TrimSuffix(inner, ")") + "))"
	}
	return "Nullable(" + typ + ")"
}

// DDL returns the ClickHouse statement that creates the table as name, without a
// semicolon. mark ends the table's comment: "[run=RUN mirror=ID]".
func (t *Table) DDL(name, mark string) string { return t.ddl(name, mark, ownSettings) }

// CloudDDL returns the statement for ClickHouse Cloud, which makes a
// SharedMergeTree of it: there blocks are remembered and parts kept by other
// means, so that the settings for a server's own disk are left out.
func (t *Table) CloudDDL(name, mark string) string { return t.ddl(name, mark, "") }

// ownSettings let a MergeTree remember the tokens of blocks, and keep a part once it is acknowledged.
const ownSettings = "SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1\n"

func (t *Table) ddl(name, mark, settings string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s\n(\n", Ident(name))
	for i, c := range t.Columns {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "    %s %s", Ident(c.Name), withComment(c))
	}
	if t.ID.IsEvents() {
		b.WriteString(",\n    INDEX client_id_bloom client_id TYPE bloom_filter(0.01)")
	}
	b.WriteString("\n)\nENGINE = MergeTree\n")
	if t.Partition == Monthly {
		b.WriteString("PARTITION BY toYYYYMM(occurred_at)\n")
	}
	fmt.Fprintf(&b, "ORDER BY (%s)\n%sCOMMENT %s", t.OrderBy, settings, Quote(t.Comment+" "+mark))
	return b.String()
}

// withComment puts the comment where ClickHouse wants it: before the codec.
func withComment(c Column) string {
	_, codec := c.Kind.clickhouse()
	return c.ClickHouseType() + " COMMENT " + Quote(c.Comment) + codec
}

// Ident writes a name for ClickHouse.
func Ident(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "``").Replace(name) + "`"
}

// bookkeeping are the two tables that exist in ClickHouse alone, to say what was published when.
const bookkeepingRuns = "CREATE TABLE IF NOT EXISTS `_runs`\n" + `(
    ` + "`run`" + ` String COMMENT 'run',
    ` + "`pipeline`" + ` LowCardinality(String) COMMENT 'pipeline',
    ` + "`project`" + ` LowCardinality(String) COMMENT 'project number',
    ` + "`started_at`" + ` DateTime64(3, 'UTC') COMMENT 'start of the run',
    ` + "`finished_at`" + ` DateTime64(3, 'UTC') COMMENT 'end of the run',
    ` + "`exit_code`" + ` Int32 COMMENT 'exit code',
    ` + "`outcome`" + ` LowCardinality(String) COMMENT 'ok, partial, failed, refused, gated, interrupted',
    ` + "`clients`" + ` Int64 COMMENT 'live clients',
    ` + "`feeds_never_fetched`" + ` Int64 COMMENT 'clients whose feed was never read',
    ` + "`feeds_left`" + ` Int64 COMMENT 'feeds that were due and not read',
    ` + "`rejects`" + ` Int64 COMMENT 'rows of rejects',
    ` + "`oldest_feed_at`" + ` Nullable(DateTime64(3, 'UTC')) COMMENT 'when the oldest feed was read',
    ` + "`report`" + ` String COMMENT 'the whole report, JSON'
)
ENGINE = MergeTree
ORDER BY run
COMMENT 'One row a run that published'`

const bookkeepingPartitions = "CREATE TABLE IF NOT EXISTS `_partitions`\n" + `(
    ` + "`run`" + ` String COMMENT 'run',
    ` + "`table`" + ` LowCardinality(String) COMMENT 'table',
    ` + "`partition`" + ` String COMMENT 'month as 2025-01, or empty',
    ` + "`rows`" + ` Int64 COMMENT 'rows',
    ` + "`digest`" + ` String COMMENT 'digest of the rows'
)
ENGINE = MergeTree
ORDER BY (run, ` + "`table`, `partition`" + `)
COMMENT 'What each run published: rows and digest of every partition'`

// RunsStatement returns the statement that makes the list of runs where it is absent.
func RunsStatement() string { return bookkeepingRuns }

// Bookkeeping returns the statements that make the two tables which exist in
// ClickHouse alone, where they are absent.
func Bookkeeping() []string { return []string{bookkeepingPartitions, bookkeepingRuns} }

// ViewStatements returns the statements that make the views in ClickHouse.
func ViewStatements(reportZone string) []string {
	var out []string
	for _, v := range Views(ClickHouse, reportZone) {
		out = append(out, v.SQL+"\nCOMMENT "+Quote(v.Comment))
	}
	return out
}

// Statements returns all ClickHouse statements that build an empty database, in
// the order of execution: tables, the two bookkeeping tables, views.
func Statements(mark, reportZone string) []string {
	var out []string
	for _, t := range tables {
		out = append(out, t.DDL(t.Name, mark))
	}
	return slices.Concat(out, Bookkeeping(), ViewStatements(reportZone))
}
