package schemas

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
)

func TestTablesFollowTheContract(t *testing.T) {
	want := map[string]string{ // TABLES.md, word by word
		"visits":                  "project enum, client_id int, event_id text, occurred_at time, visit_id text, source_id enum?, source_title enum?, source_icon enum?, device_os enum?, device_os_icon enum?, device_agent enum?, device_agent_icon enum?, is_mobile bool?, extra text?",
		"orders":                  "project enum, client_id int, event_id text, occurred_at time, order_id text, name text?, status enum?, status_type enum?, status_title enum?, revenue money?, cost money?, formatted_revenue text?, formatted_cost text?, updated_at time?, fields map, visits_before int, first_visit_id text?, last_visit_id text?, first_visit_at time?, last_visit_at time?, first_source_id enum?, first_source_title enum?, last_source_id enum?, last_source_title enum?, extra text?",
		"site_events":             "project enum, client_id int, event_id text, occurred_at time, meta_id enum?, name enum?, extra text?",
		"lead_hunter_appearances": "project enum, client_id int, event_id text, occurred_at time, page text?, extra text?",
		"lead_hunter_leads":       "project enum, client_id int, event_id text, occurred_at time, page text?, name text?, phone text?, status enum?, is_sent bool?, extra text?",
		"order_status_changes":    "project enum, client_id int, event_id text, occurred_at time, order_id text?, order_title text?, status enum?, status_type enum?, status_title enum?, extra text?",
		"order_cost_changes":      "project enum, client_id int, event_id text, occurred_at time, order_id text?, order_title text?, cost money?, formatted_cost text?, extra text?",
		"order_price_changes":     "project enum, client_id int, event_id text, occurred_at time, order_id text?, order_title text?, price money?, formatted_price text?, extra text?",
		"calls":                   "project enum, client_id int, event_id text, occurred_at time, callee enum?, caller text?, duration_seconds int?, status enum?, file_url text?, extra text?",
		"other_events":            "project enum, client_id int, event_id text, occurred_at time, type enum, raw text?",
		"clients":                 "project enum, client_id int, external_id text?, name text?, phone text?, email text?, company text?, birth_date date?, comment text?, client_url text?, first_visit_date time?, first_order_date time?, last_order_date time?, order_count int?, revenue money?, profit money?, first_visit_marker enum?, first_visit_marker_alias enum?, first_visit_marker_icon enum?, first_visit_marker_alias_level_1 enum?, first_seen_at time, gone_at time?, feed_fetched_at time?, extra text?",
		"campaign_contacts":       "project enum, campaign_id int, contact text, metric enum, emails int",
		"rejects":                 "project enum, source enum, client_id int?, ordinal int, type enum?, field enum?, reason enum, raw text?",
	}
	if len(Tables()) != len(want) {
		t.Fatalf("%d tables, want %d", len(Tables()), len(want))
	}
	for _, table := range Tables() {
		var cols []string
		for _, c := range table.Columns {
			cols = append(cols, c.Name+" "+c.Type())
		}
		if got := strings.Join(cols, ", "); got != want[table.Name] {
			t.Errorf("%s:\n got %s\nwant %s", table.Name, got, want[table.Name])
		}
		if table.ID.String() != table.Name || Get(table.ID) != table {
			t.Errorf("%s: ID %d names %s", table.Name, table.ID, table.ID)
		}
	}
}

func TestArrowTypes(t *testing.T) {
	want := map[string]string{
		"client_id": "int64", "name": "utf8", "birth_date": "date32", "first_seen_at": "timestamp[ms, tz=UTC]",
		"revenue": "decimal(18, 2)", "project": "utf8",
	}
	for name, typ := range want {
		f, _ := Get(Clients).Arrow().FieldsByName(name)
		if got := f[0].Type.String(); got != typ {
			t.Errorf("clients.%s is %s, want %s", name, got, typ)
		}
	}
	f, _ := Get(Orders).Arrow().FieldsByName("fields")
	if f[0].Nullable || f[0].Type.ID() != arrow.MAP {
		t.Errorf("orders.fields is %v", f[0])
	}
}

func TestClickHouseTypes(t *testing.T) {
	cases := map[string]Column{
		"String CODEC(ZSTD(1))":                                   {Kind: Text},
		"Nullable(String) CODEC(ZSTD(1))":                         {Kind: Text, Nullable: true},
		"LowCardinality(String)":                                  {Kind: Enum},
		"LowCardinality(Nullable(String))":                        {Kind: Enum, Nullable: true},
		"Nullable(Int64)":                                         {Kind: Int, Nullable: true},
		"Nullable(Decimal(18,2)) CODEC(T64, ZSTD(1))":             {Kind: Money, Nullable: true},
		"DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1))":           {Kind: Time},
		"Nullable(DateTime64(3, 'UTC')) CODEC(Delta(8), ZSTD(1))": {Kind: Time, Nullable: true},
		"Nullable(Date32)":                                        {Kind: Date, Nullable: true},
		"Nullable(Bool)":                                          {Kind: Bool, Nullable: true},
		"Map(LowCardinality(String), String)":                     {Kind: Map},
	}
	for want, c := range cases {
		if got := c.ClickHouse(); got != want {
			t.Errorf("%s: %s, want %s", c.Type(), got, want)
		}
	}
}

func TestStatementsAreInTheOrderOfExecution(t *testing.T) {
	all := Statements("[run=R mirror=M]", "Europe/Moscow")
	if len(all) != NumTables+2+3 {
		t.Fatalf("%d statements", len(all))
	}
	for i, table := range Tables() {
		if !strings.HasPrefix(all[i], "CREATE TABLE `"+table.Name+"`") || !strings.HasSuffix(all[i], "[run=R mirror=M]'") {
			t.Errorf("statement %d:\n%s", i, all[i])
		}
	}
	if funnel := all[len(all)-1]; !strings.Contains(funnel, "toDate32(occurred_at, 'Europe/Moscow') AS day") {
		t.Errorf("daily_funnel:\n%s", funnel)
	}
}

func TestDuckDBScriptNamesItsFiles(t *testing.T) {
	script := DuckDBViews(func(table *Table) []string { return []string{"/a'b/" + table.Name + ".parquet"} }, "Asia/Tokyo")
	for _, want := range []string{"'/a''b/visits.parquet'", "timezone('Asia/Tokyo', occurred_at)", "CAST(NULL AS DECIMAL(18,2))"} {
		if !strings.Contains(script, want) {
			t.Errorf("%s is missing in\n%s", want, script)
		}
	}
	if strings.ContainsAny(strings.ReplaceAll(script, "'{", ""), "{}") {
		t.Error("a placeholder was left")
	}
	script = DuckDBViews(func(*Table) []string { return []string{`/a*b?c[12]d]e{f,g}/"h\i`} }, "UTC")
	if want := `'/a[*]b[?]c[[]12]d]e{f,g}/"h\i'`; !strings.Contains(script, want) {
		t.Errorf("a path with signs of patterns is not %s in\n%s", want, script)
	}
}
