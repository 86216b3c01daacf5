// Package schemas is the contract between the stages: the thirteen tables, and
// the types that travel from the mirror to the tables.
//
// A table is declared once, in a file of its own, as a [Table]: its columns with
// type, nullability, origin and comment. Everything else is derived from that
// declaration: the Arrow schema ([Table.Arrow]), the ClickHouse DDL ([Table.DDL]),
// the views ([Views]) and the data dictionary ([Dictionary]), so that they cannot
// drift apart.
//
// The package holds declarations and no state; everything in it is safe for
// concurrent use.
package schemas

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
)

// Kind is the type of a column, as an analyst thinks of it.
type Kind uint8

// The kinds of columns. TABLES.md calls them by the lower-case word.
const (
	Text  Kind = iota // any text: Arrow utf8
	Enum              // a text with few distinct values: Arrow utf8, written with dictionary pages
	Int               // a whole number: Arrow int64
	Money             // an amount with two decimals: Arrow decimal128(18, 2)
	Time              // an instant: Arrow timestamp[ms, UTC]
	Date              // a calendar date from 1900 to 2299: Arrow date32
	Bool              // a truth value: Arrow bool
	Map               // texts by text, keys sorted: Arrow map<utf8, utf8>
)

// String returns the kind's word in TABLES.md.
func (k Kind) String() string {
	return [...]string{"text", "enum", "int", "money", "time", "date", "bool", "map"}[k]
}

// MoneyPrecision and MoneyScale describe the amounts: 16 digits before the point and two behind it.
const (
	MoneyPrecision = 18
	MoneyScale     = 2
)

// arrow returns the Arrow type of the kind.
func (k Kind) arrow() arrow.DataType {
	switch k {
	case Int:
		return arrow.PrimitiveTypes.Int64
	case Money:
		return &arrow.Decimal128Type{Precision: MoneyPrecision, Scale: MoneyScale}
	case Time:
		return &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}
	case Date:
		return arrow.FixedWidthTypes.Date32
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Map:
		return arrow.MapOf(arrow.BinaryTypes.String, arrow.BinaryTypes.String)
	default:
		return arrow.BinaryTypes.String
	}
}

// Column is one column of a table.
type Column struct {
	Name     string // as analysts write it
	Kind     Kind
	Nullable bool
	From     string // the API's name for it (a path for nested ones), or in a word where it comes from
	Comment  string
	Holds    Holds // of texts; what privacy rules make of them
}

// Partitioning says how a table is split into files and ClickHouse partitions.
type Partitioning uint8

// A table is one partition, or one for each month (UTC) of its occurred_at.
const (
	Whole Partitioning = iota
	Monthly
)

// Table is the declaration of a table.
type Table struct {
	ID        ID
	Name      string
	Version   int // raised when the same mirror would project to other rows
	Comment   string
	Partition Partitioning
	OrderBy   string // ClickHouse sort key
	Columns   []Column

	arrow *arrow.Schema
}

// ID numbers the tables, from 0, in the order they are listed and published.
type ID int

// The thirteen tables. The first ten are the event tables.
const (
	Visits ID = iota
	Orders
	SiteEvents
	LeadHunterAppearances
	LeadHunterLeads
	OrderStatusChanges
	OrderCostChanges
	OrderPriceChanges
	Calls
	OtherEvents
	Clients
	CampaignContacts
	Rejects

	NumTables   = int(Rejects) + 1
	NumEvents   = int(OtherEvents) + 1 // IDs below it are event tables
	noPartition = ""
)

// Tables returns all tables, indexed by their ID. The tables are shared: callers must not change them.
func Tables() []*Table { return tables }

// Get returns the table with the given ID.
func Get(id ID) *Table { return tables[id] }

// ByName returns the table of that name, or false.
func ByName(name string) (*Table, bool) {
	for _, t := range tables {
		if t.Name == name {
			return t, true
		}
	}
	return nil, false
}

// IsEvents tells whether the table is one of the ten event tables.
func (id ID) IsEvents() bool { return int(id) < NumEvents }

// String returns the table's name.
func (id ID) String() string { return tables[id].Name }

// Arrow returns the schema of the table's record batches. It is shared: callers must not change it.
func (t *Table) Arrow() *arrow.Schema { return t.arrow }

// Column returns the position of the named column, or -1.
func (t *Table) Column(name string) int {
	for i, c := range t.Columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// tables is filled once, at start, from the declarations.
var tables = declare(
	visits(), orders(), siteEvents(), leadHunterAppearances(), leadHunterLeads(),
	orderStatusChanges(), orderCostChanges(), orderPriceChanges(), calls(), otherEvents(),
	clients(), campaignContacts(), rejects(),
)

// declare numbers the tables and derives their Arrow schemas. It panics on a
// declaration that contradicts itself, which no build with passing tests has.
func declare(list ...Table) []*Table {
	out := make([]*Table, len(list))
	for i := range list {
		t := &list[i]
		t.ID = ID(i)
		fields := make([]arrow.Field, len(t.Columns))
		seen := map[string]bool{}
		for j, c := range t.Columns {
			if seen[c.Name] {
				panic(fmt.Sprintf("schemas: %s.%s is declared twice", t.Name, c.Name))
			}
			seen[c.Name] = true
			fields[j] = arrow.Field{Name: c.Name, Type: c.Kind.arrow(), Nullable: c.Nullable}
		}
		t.arrow = arrow.NewSchema(fields, nil)
		out[i] = t
	}
	return out
}

// events declares an event table: the four common columns, its own, and extra.
func events(name, comment string, own ...Column) Table {
	cols := append(eventColumns(), own...)
	cols = append(cols, extraColumn())
	return Table{
		Name: name, Version: 1, Comment: comment, Partition: Monthly,
		OrderBy: "toDate(occurred_at), client_id, event_id", Columns: cols,
	}
}

func eventColumns() []Column {
	return []Column{
		projectColumn(),
		{Name: "client_id", Kind: Int, From: "the feed's client", Comment: "Roistat client"},
		{Name: "event_id", Kind: Text, From: "computed", Comment: "stable, unique in its table"},
		{Name: "occurred_at", Kind: Time, From: "creationDate or date", Comment: "UTC"},
	}
}

func projectColumn() Column {
	return Column{Name: "project", Kind: Enum, From: "configuration", Comment: "project number"}
}

func extraColumn() Column {
	return Column{Name: "extra", Kind: Text, Nullable: true, From: "all other keys", Comment: "all other keys of the API, JSON"}
}

// null declares a nullable column.
func null(k Kind, name, from, comment string) Column {
	return Column{Name: name, Kind: k, Nullable: true, From: from, Comment: comment}
}

// holding declares what a column of text holds.
func holding(h Holds, c Column) Column {
	c.Holds = h
	return c
}

// req declares a column that is never null.
func req(k Kind, name, from, comment string) Column {
	return Column{Name: name, Kind: k, From: from, Comment: comment}
}
