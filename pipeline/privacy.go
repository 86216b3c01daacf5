package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"roistat-etl/extract/mirror"
	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
	"roistat-etl/transform/privacy"
)

// protection says under which privacy rules rows were made, and tells one salt
// from another without showing it. The zero value is no rule.
type protection struct {
	Rules schemas.Rules `json:"rules"`
	Salt  string        `json:"salt,omitempty"` // its fingerprint, if a rule hashes
}

// metaProtection is the mirror's key for the protection of what a destination
// shows; nothing stands there while there are no rules.
func metaProtection(d destination) string { return "privacy of " + d.String() }

func protectionOf(p *config.Pipeline) protection {
	x := protection{Rules: p.Transform.Privacy}
	if x.Rules.Hash() {
		x.Salt = privacy.Fingerprint([]byte(p.Transform.Salt.Reveal()))
	}
	return x
}

// encode writes the protection; equal ones have equal texts.
func (x protection) encode() (string, error) {
	if len(x.Rules) == 0 {
		return "", nil
	}
	text, err := json.Marshal(x)
	if err != nil {
		return "", fmt.Errorf("write the privacy rules: %w", err)
	}
	return string(text), nil
}

func parseProtection(text string) (x protection, err error) {
	if text == "" {
		return x, nil
	}
	if err := json.Unmarshal([]byte(text), &x); err != nil {
		return x, fmt.Errorf("read the privacy rules of what is published: %w", err)
	}
	return x, nil
}

// changes says, a line a table, what becomes of its columns under other rules.
func (x protection) changes(to protection) (lines []string) {
	for _, t := range schemas.Tables() {
		var columns []string
		for _, c := range t.Columns {
			columns = x.change(columns, c.Name, x.Rules.Of(t, c), to.Rules.Of(t, c), to)
		}
		if t.ID == schemas.Orders {
			columns = x.fieldChanges(columns, to)
		}
		if len(columns) > 0 {
			lines = append(lines, t.Name+" will be rewritten by the privacy rules: "+strings.Join(columns, ", "))
		}
	}
	return lines
}

func (x protection) fieldChanges(columns []string, to protection) []string {
	before, after := x.Rules.Fields(), to.Rules.Fields()
	keys := maps.Clone(before)
	maps.Copy(keys, after)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		columns = x.change(columns, "fields."+key, kept(before[key]), kept(after[key]), to)
	}
	return columns
}

func kept(a schemas.Action) schemas.Action {
	if a == "" {
		return schemas.KeepValue
	}
	return a
}

// change appends what becomes of a column, if anything does.
func (x protection) change(columns []string, name string, before, after schemas.Action, to protection) []string {
	switch {
	case before != after:
		return append(columns, fmt.Sprintf("%s %s → %s", name, before, after))
	case after == schemas.HashValue && x.Salt != to.Salt:
		return append(columns, name+" hash → hash with another salt")
	}
	return columns
}

// showsMoreThan tells whether rows under these rules show something that others hide.
func (x protection) showsMoreThan(other protection) bool {
	order := []schemas.Action{schemas.KeepValue, schemas.MaskValue, schemas.HashValue, schemas.DropValue}
	more := func(before, after schemas.Action) bool {
		return slices.Index(order, before) < slices.Index(order, after)
	}
	for _, t := range schemas.Tables() {
		for _, c := range t.Columns {
			if more(x.Rules.Of(t, c), other.Rules.Of(t, c)) {
				return true
			}
		}
	}
	mine := x.Rules.Fields()
	for key, after := range other.Rules.Fields() {
		if more(kept(mine[key]), after) {
			return true
		}
	}
	return false
}

// warnOfOlder says that snapshots which stay for a while show what the rules now
// hide: as long as they are there, it is not hidden.
func (r *running) warnOfOlder(ctx context.Context, i int) error {
	d, parquet := r.destinations[i], r.pipeline.Load[i].Parquet
	if parquet == nil || parquet.Keep < 2 {
		return nil
	}
	published, err := r.mirror.Meta(ctx, metaShown(d))
	if err != nil || published == "" {
		return err
	}
	text, err := r.mirror.Meta(ctx, metaProtection(d))
	if err != nil {
		return err
	}
	before, err := parseProtection(text)
	if err == nil && before.showsMoreThan(protectionOf(r.pipeline)) {
		r.log.Warn("older snapshots show what the privacy rules now hide, until newer ones take their place or keep is 1", "destination", d.String(), "keep", parquet.Keep)
	}
	return err
}

// privacyChanges tells what other rules than those of what is published will
// rewrite. The mirror may be nil: nothing was published from it.
func privacyChanges(ctx context.Context, p *config.Pipeline, m *mirror.Reader, destinations []destination) (lines []string, err error) {
	if m == nil {
		return nil, nil
	}
	for _, d := range destinations {
		changes, err := protectionChanges(ctx, m, d, protectionOf(p))
		if err != nil {
			return nil, err
		}
		lines = append(lines, changes...)
	}
	return lines, nil
}

func protectionChanges(ctx context.Context, m *mirror.Reader, d destination, now protection) (lines []string, err error) {
	shown, err := m.Meta(ctx, metaShown(d))
	if err != nil || shown == "" { // what is not published will not be rewritten
		return nil, err
	}
	text, err := m.Meta(ctx, metaProtection(d))
	if err != nil {
		return nil, err
	}
	before, err := parseProtection(text)
	for _, line := range before.changes(now) {
		lines = append(lines, d.String()+": "+line)
	}
	return lines, err
}
