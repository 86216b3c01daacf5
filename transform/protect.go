package transform

import (
	"errors"

	"roistat-etl/schemas"
	"roistat-etl/transform/privacy"
)

// errNoSalt is no fault of a file, which is checked before: a command has
// forgotten to read the salt. Hashes without one anybody could compute.
var errNoSalt = errors.New("privacy rules hash, but there is no salt of 16 bytes or more")

// protector applies the privacy rules to the rows that leave a Projector. One
// without rules does nothing.
type protector struct {
	hasher  *privacy.Hasher
	columns []protected
	fields  *column                   // the map of orders, if there are rules for its keys
	keys    map[string]schemas.Action // of fields
	contact schemas.Action            // of campaign_contacts.contact, applied before its rows are put in order
	err     error

	spare     []byte
	spareMaps [2]*column // keys and values
}

// protected is a column with something to hide.
type protected struct {
	column *column
	holds  schemas.Holds
	action schemas.Action
}

func newProtector(tables *[schemas.NumTables]*table, rules schemas.Rules, salt []byte) protector {
	p := protector{keys: rules.Fields(), contact: schemas.KeepValue, hasher: privacy.NewHasher(salt)}
	if rules.Hash() && len(salt) < privacy.MinSalt {
		p.err = errNoSalt
	}
	for _, t := range tables {
		for i, c := range t.decl.Columns {
			action := rules.Of(t.decl, c)
			switch {
			case action == schemas.KeepValue:
			case t.decl.ID == schemas.CampaignContacts && c.Name == "contact":
				p.contact = action
			default:
				p.columns = append(p.columns, protected{t.columns[i], c.Holds, action})
			}
		}
	}
	if len(p.keys) > 0 {
		p.fields = tables[schemas.Orders].column("fields")
		p.spareMaps = [2]*column{newColumn(schemas.Text, false), newColumn(schemas.Text, true)}
	}
	return p
}

// apply rewrites what the tables hold. It is called once on the same rows.
func (p *protector) apply() error {
	if p.err != nil {
		return p.err
	}
	for _, c := range p.columns {
		if c.action == schemas.DropValue {
			c.column.blank()
		} else {
			p.rewrite(c)
		}
	}
	if p.fields != nil {
		p.rewriteFields()
	}
	p.spare = emptied(p.spare)
	return nil
}

// value appends what is shown of a value.
func (p *protector) value(dst, value []byte, action schemas.Action, holds schemas.Holds) []byte {
	switch action {
	case schemas.HashValue:
		return p.hasher.Append(dst, value, holds)
	case schemas.MaskValue:
		return privacy.AppendMask(dst, value, holds)
	}
	return append(dst, value...)
}

// rewrite puts what is shown in the place of the values of a column.
func (p *protector) rewrite(one protected) {
	c, out, start := one.column, p.spare[:0], int32(0)
	for i, end := range c.ends {
		if c.isValid(i) {
			out = p.value(out, c.bytes[start:end], one.action, one.holds)
		}
		start, c.ends[i] = end, int32(len(out))
	}
	c.bytes, p.spare = out, c.bytes
}

// field is value for orders.fields, of which nobody has declared what it holds.
func (p *protector) field(dst, value []byte, action schemas.Action) []byte {
	if action == "" || action == schemas.KeepValue {
		return append(dst, value...)
	}
	return p.value(dst, value, action, privacy.Looks(value))
}

// rewriteFields does the same for the keys of orders.fields that have a rule.
func (p *protector) rewriteFields() {
	c, start := p.fields, 0
	keys, values := p.spareMaps[0], p.spareMaps[1]
	keys.reset()
	values.reset()
	for i, end := range c.ends {
		for j := start; j < int(end); j++ {
			key, value := c.keys.value(j), c.values.value(j)
			if action := p.keys[string(key)]; action != schemas.DropValue {
				keys.text(key)
				values.bytes = p.field(values.bytes, value, action)
				values.ended()
			}
		}
		start, c.ends[i] = int(end), int32(keys.rows)
	}
	p.spareMaps = [2]*column{c.keys, c.values}
	c.keys, c.values = keys, values
}
