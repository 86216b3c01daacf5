package schemas

import (
	"fmt"
	"strings"
)

// Dialect is the SQL of an engine that analysts query.
type Dialect uint8

// The dialects that the views are written in.
const (
	ClickHouse Dialect = iota
	DuckDB
)

// View is a view over the tables.
type View struct {
	Name    string
	Comment string
	SQL     string // CREATE OR REPLACE VIEW …, without a semicolon
}

// Views returns the three views in the order of their creation. The days of
// daily_funnel are those of reportZone, an IANA time zone name.
func Views(d Dialect, reportZone string) []View {
	fill := strings.NewReplacer("{money}", d.money(), "{day}", d.day(reportZone))
	out := []View{
		{Name: "client_journey", Comment: "Everything that happened to a client, in one list", SQL: clientJourney},
		{Name: "orders_attributed", Comment: "Orders with the visits that led to them", SQL: ordersAttributed},
		{
			Name: "daily_funnel", SQL: dailyFunnel,
			Comment: "A day is the event's own; an order counts on the day it was created with its present status and revenue, so past days change",
		},
	}
	for i := range out {
		out[i].SQL = fill.Replace(out[i].SQL)
	}
	return out
}

func (d Dialect) money() string {
	if d == DuckDB {
		return "DECIMAL(18,2)"
	}
	return "Nullable(Decimal(18,2))"
}

func (d Dialect) day(zone string) string {
	if d == DuckDB {
		return fmt.Sprintf("CAST(timezone(%s, occurred_at) AS DATE)", Quote(zone))
	}
	return fmt.Sprintf("toDate32(occurred_at, %s)", Quote(zone)) // toDate makes 1969-12-31, which 1970-01-01 is west of UTC, a day of 2149
}

// Quote writes a text as an SQL literal that both dialects read alike.
func Quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// DuckDBViews returns the script that makes a snapshot queryable in DuckDB: each
// table as a view over its files, then the views. files gives the absolute paths
// of a table's files.
func DuckDBViews(files func(t *Table) []string, reportZone string) string {
	var b strings.Builder
	b.WriteString("-- Run this text in DuckDB: it reads this one snapshot, whatever is published meanwhile.\n")
	for _, t := range tables {
		fmt.Fprintf(&b, "\nCREATE OR REPLACE VIEW %s AS SELECT * FROM read_parquet([\n", t.Name)
		for i, f := range files(t) {
			if i > 0 {
				b.WriteString(",\n")
			}
			b.WriteString("  " + quotePath(literalGlob(f)))
		}
		b.WriteString("\n], hive_partitioning = false);\n")
		fmt.Fprintf(&b, "COMMENT ON VIEW %s IS %s;\n", t.Name, quotePath(t.Comment))
	}
	for _, v := range Views(DuckDB, reportZone) {
		fmt.Fprintf(&b, "\n%s;\nCOMMENT ON VIEW %s IS %s;\n", v.SQL, v.Name, quotePath(v.Comment))
	}
	return b.String()
}

// literalGlob is a pattern of DuckDB's that only this path matches. A backslash can't
// be told from a slash in one, so a path must not hold both it and a sign of a pattern.
func literalGlob(path string) string {
	return strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]").Replace(path)
}

// quotePath writes a text as a DuckDB literal, in which a backslash is a backslash.
func quotePath(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

const clientJourney = `CREATE OR REPLACE VIEW client_journey AS
SELECT project, client_id, occurred_at, event_id, 'visit' AS event_type, visit_id AS ref_id, coalesce(source_title, source_id) AS title, source_id AS status, CAST(NULL AS {money}) AS amount FROM visits
UNION ALL SELECT project, client_id, occurred_at, event_id, 'order', order_id, name, status_type, revenue FROM orders
UNION ALL SELECT project, client_id, occurred_at, event_id, 'site_event', meta_id, name, NULL, NULL FROM site_events
UNION ALL SELECT project, client_id, occurred_at, event_id, 'lead_hunter_appearance', NULL, page, NULL, NULL FROM lead_hunter_appearances
UNION ALL SELECT project, client_id, occurred_at, event_id, 'lead_hunter_lead', NULL, page, status, NULL FROM lead_hunter_leads
UNION ALL SELECT project, client_id, occurred_at, event_id, 'order_status_change', order_id, status_title, status_type, NULL FROM order_status_changes
UNION ALL SELECT project, client_id, occurred_at, event_id, 'order_cost_change', order_id, order_title, NULL, cost FROM order_cost_changes
UNION ALL SELECT project, client_id, occurred_at, event_id, 'order_price_change', order_id, order_title, NULL, price FROM order_price_changes
UNION ALL SELECT project, client_id, occurred_at, event_id, 'call', NULL, callee, status, NULL FROM calls
UNION ALL SELECT project, client_id, occurred_at, event_id, 'other', type, NULL, NULL, NULL FROM other_events`

const ordersAttributed = `CREATE OR REPLACE VIEW orders_attributed AS
SELECT project, client_id, event_id, order_id, occurred_at, updated_at, name, status, status_type, status_title, revenue, cost, fields,
       visits_before, first_visit_id, first_visit_at, first_source_id, first_source_title,
       last_visit_id, last_visit_at, last_source_id, last_source_title
FROM orders`

const dailyFunnel = `CREATE OR REPLACE VIEW daily_funnel AS
SELECT project, {day} AS day,
  count(*) FILTER (WHERE event_type = 'visit') AS visits,
  count(DISTINCT client_id) FILTER (WHERE event_type = 'visit') AS visitors,
  count(*) FILTER (WHERE event_type = 'site_event') AS site_events,
  count(*) FILTER (WHERE event_type = 'lead_hunter_lead') AS leads,
  count(*) FILTER (WHERE event_type = 'call') AS calls,
  count(*) FILTER (WHERE event_type = 'call' AND status = 'ANSWER') AS answered_calls,
  count(*) FILTER (WHERE event_type = 'order') AS orders,
  count(DISTINCT client_id) FILTER (WHERE event_type = 'order') AS buyers,
  count(*) FILTER (WHERE event_type = 'order' AND status = 'paid') AS paid_orders,
  count(*) FILTER (WHERE event_type = 'order' AND status = 'canceled') AS canceled_orders,
  coalesce(sum(amount) FILTER (WHERE event_type = 'order'), 0) AS revenue,
  coalesce(sum(amount) FILTER (WHERE event_type = 'order' AND status = 'paid'), 0) AS paid_revenue
FROM client_journey GROUP BY project, day`
