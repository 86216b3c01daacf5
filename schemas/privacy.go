package schemas

import (
	"maps"
	"slices"
	"strings"
)

// Holds says which way of naming a person a column holds, so that one person is
// hashed and masked alike in all tables.
type Holds uint8

// What a column may hold. AnyText is taken as it is.
const (
	AnyText Holds = iota
	Phone
	Email
)

// Action is what a privacy rule does with a value.
type Action string

// The actions, from open to silent.
const (
	KeepValue Action = "keep"
	MaskValue Action = "mask"
	HashValue Action = "hash"
	DropValue Action = "drop"
)

// Actions lists the actions as a configuration may name them.
func Actions() []string {
	return []string{string(HashValue), string(MaskValue), string(DropValue), string(KeepValue)}
}

// FieldsPrefix begins the name of a rule for one key of the map orders.fields.
const FieldsPrefix = "orders.fields."

// Rules are the privacy rules of a pipeline: an action by TABLE.COLUMN, or by
// orders.fields.KEY.
type Rules map[string]Action

// RuleName names the rule of a column.
func RuleName(t *Table, c Column) string { return t.Name + "." + c.Name }

// Protectable tells whether a rule may name the column: a nullable text or enum,
// or the contact of campaign_contacts, which can be hashed and masked but not dropped.
func Protectable(t *Table, c Column) bool {
	return (c.Kind == Text || c.Kind == Enum) && (c.Nullable || t.ID == CampaignContacts && c.Name == "contact")
}

// Droppable tells whether a column that a rule may name may become null. A null
// field of rejects says that a whole item could not be used, and items are counted
// by it.
func Droppable(t *Table, c Column) bool {
	return c.Nullable && (t.ID != Rejects || c.Name != "field")
}

// Verbatim tells whether a column has what the API sent and no other column has,
// so that nobody knows what it holds.
func (c Column) Verbatim() bool { return c.Name == "extra" || c.Name == "raw" }

// Of returns what becomes of a column. With any rule set, a verbatim column is
// dropped unless its own rule keeps it.
func (r Rules) Of(t *Table, c Column) Action {
	a, ok := r[RuleName(t, c)]
	switch {
	case len(r) > 0 && c.Verbatim() && a != KeepValue:
		return DropValue
	case !ok:
		return KeepValue
	}
	return a
}

// Fields returns the rules for keys of orders.fields, by key.
func (r Rules) Fields() map[string]Action {
	out := map[string]Action{}
	for name, a := range r {
		if key, ok := strings.CutPrefix(name, FieldsPrefix); ok {
			out[key] = a
		}
	}
	return out
}

// Only returns rules that do the same to one table, and nothing to the others.
func (r Rules) Only(t *Table) Rules {
	out := Rules{}
	for _, c := range t.Columns {
		if a := r.Of(t, c); a != KeepValue || c.Verbatim() && len(r) > 0 {
			out[RuleName(t, c)] = a
		}
	}
	if t.ID == Orders {
		for key, a := range r.Fields() {
			out[FieldsPrefix+key] = a
		}
	}
	return out
}

// Hash tells whether any rule hashes, so that a salt is needed.
func (r Rules) Hash() bool {
	return slices.Contains(slices.Collect(maps.Values(r)), HashValue)
}
