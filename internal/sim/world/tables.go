package world

// column says which cell of an item a column of the truth shows.
type column struct {
	name string
	key  string // API name
	sub  string // name inside a nested object
	kind Kind
}

// table is an event table of the truth: its name and own columns, in order.
type table struct {
	name    string
	columns []column
}

// OtherEvents is the table of event types that have none of their own.
const OtherEvents = "other_events"

// eventTables are the tables by event type; never written to.
var eventTables = map[string]table{
	"visit": {"visits", []column{
		{"visit_id", "visitId", "", Text},
		{"source_id", "sourceId", "", Text}, {"source_title", "sourceTitle", "", Text}, {"source_icon", "sourceIcon", "", Text},
		{"device_os", "device", "os", Text}, {"device_os_icon", "device", "os_icon", Text},
		{"device_agent", "device", "agent", Text}, {"device_agent_icon", "device", "agent_icon", Text},
		{"is_mobile", "device", "is_mobile", Bool},
	}},
	"order": {"orders", []column{
		{"order_id", "id", "", Text}, {"name", "name", "", Text},
		{"status", "status", "", Text}, {"status_type", "statusType", "", Text}, {"status_title", "statusTitle", "", Text},
		{"revenue", "revenue", "", Money}, {"cost", "cost", "", Money},
		{"formatted_revenue", "formattedRevenue", "", Text}, {"formatted_cost", "formattedCost", "", Text},
		{"updated_at", "updateDate", "", Time}, {"fields", "fields", "", Object},
	}},
	"event":                  {"site_events", []column{{"meta_id", "metaId", "", Text}, {"name", "name", "", Text}}},
	"lead_hunter_appearance": {"lead_hunter_appearances", []column{{"page", "page", "", Text}}},
	"lead_hunter_caught": {"lead_hunter_leads", []column{
		{"page", "page", "", Text}, {"name", "name", "", Text}, {"phone", "field", "", Text}, {"status", "status", "", Text},
	}},
	"orderStatusChange": {"order_status_changes", []column{
		{"order_id", "order_id", "", Text}, {"order_title", "order_title", "", Text},
		{"status", "status", "", Text}, {"status_type", "statusType", "", Text}, {"status_title", "statusTitle", "", Text},
	}},
	"orderCostChange": {"order_cost_changes", []column{
		{"order_id", "order_id", "", Text}, {"order_title", "order_title", "", Text},
		{"cost", "cost", "", Money}, {"formatted_cost", "formattedCost", "", Text},
	}},
	"orderPriceChange": {"order_price_changes", []column{
		{"order_id", "order_id", "", Text}, {"order_title", "order_title", "", Text},
		{"price", "price", "", Money}, {"formatted_price", "formattedPrice", "", Text},
	}},
	"call": {"calls", []column{
		{"callee", "callee", "", Text}, {"caller", "caller", "", Text}, {"duration_seconds", "duration", "", Int},
		{"status", "status", "", Text}, {"file_url", "file_url", "", Text},
	}},
}

// clientColumns are the columns of clients that come from the API.
var clientColumns = []column{
	{"external_id", "external_id", "", Text}, {"name", "name", "", Text}, {"phone", "phone", "", Text},
	{"email", "email", "", Text}, {"company", "company", "", Text}, {"birth_date", "birth_date", "", Time},
	{"comment", "comment", "", Text}, {"client_url", "client_url", "", Text},
	{"first_visit_date", "first_visit_date", "", Time}, {"first_order_date", "first_order_date", "", Time},
	{"last_order_date", "last_order_date", "", Time}, {"order_count", "order_count", "", Int},
	{"revenue", "revenue", "", Money}, {"profit", "profit", "", Money},
	{"first_visit_marker", "first_visit_marker", "", Text},
	{"first_visit_marker_alias", "first_visit_marker_alias", "", Text},
	{"first_visit_marker_icon", "first_visit_marker_icon", "", Text},
	{"first_visit_marker_alias_level_1", "first_visit_marker_alias_level_1", "", Text},
}

// TableNames lists the tables of the truth.
func TableNames() []string {
	return []string{
		"visits", "orders", "site_events", "lead_hunter_appearances", "lead_hunter_leads",
		"order_status_changes", "order_cost_changes", "order_price_changes", "calls", OtherEvents,
		"clients", "campaign_contacts", "rejects",
	}
}

// tableOf returns the table of an event type.
func tableOf(typ string) table {
	if t, ok := eventTables[typ]; ok {
		return t
	}
	return table{name: OtherEvents}
}

// cellOf finds the cell a column shows, or nil if it is missing.
func (c *column) cellOf(fields []Field) *Cell {
	for i := range fields {
		if fields[i].Key != c.key {
			continue
		}
		if c.sub == "" {
			return &fields[i].Cell
		}
		if fields[i].IsNull() || fields[i].Kind != Object {
			return nil
		}
		inner := column{key: c.sub}
		return inner.cellOf(fields[i].Sub)
	}
	return nil
}
