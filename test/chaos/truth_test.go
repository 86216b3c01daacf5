package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"roistat-etl/internal/sim/world"
)

// null stands for a null in the text of a row.
const null = "∅"

// rows are the rows of each table as texts, in no order.
type rows map[string][]string

// truth is what must become of one client: the rows of its feed, and those of
// its entry in the list.
type truth struct {
	feed, row          rows
	items, itemRejects int64
}

// book works out truths, once for each version of a client. It asks the typed
// world and never the product.
type book struct {
	known map[edition]*truth
	err   error
}

type edition struct {
	client  int64
	version int
}

func newBook() *book { return &book{known: map[edition]*truth{}} }

// of is the truth of a client in a state of the world.
func (b *book) of(s *world.State, id int64) *truth {
	key := edition{id, s.Version(id)}
	if t := b.known[key]; t != nil {
		return t
	}
	t := &truth{feed: rows{}, row: rows{}}
	err := s.TruthOf(id, func(table string, text []byte) error {
		fields, err := fieldsOf(text)
		if err != nil {
			return err
		}
		t.add(table, fields)
		return nil
	})
	if err != nil && b.err == nil {
		b.err = err
	}
	b.known[key] = t
	return t
}

// nothing is the truth of an empty feed.
func (b *book) nothing(int64) *truth { return &truth{feed: rows{}, row: rows{}} }

func (t *truth) add(table string, fields map[string]string) {
	switch {
	case table == "clients", table == "rejects" && fields["source"] == "clients":
		delete(fields, "ordinal") // of the list when the row changed
		t.row[table] = append(t.row[table], rowText(fields))
		return
	case table == "rejects":
		if fields["field"] == null {
			t.items++
			t.itemRejects++
		}
	default:
		t.items++
	}
	t.feed[table] = append(t.feed[table], rowText(fields))
}

// campaignTruth is the truth of a campaign without the rows that skip reports.
func campaignTruth(w *world.World, id int64, skip func(row []byte) bool) (rows, error) {
	out := rows{}
	err := w.CampaignTruth(int(id), skip, func(table string, text []byte) error {
		fields, err := fieldsOf(text)
		if err != nil {
			return err
		}
		out[table] = append(out[table], rowText(fields))
		return nil
	})
	return out, err
}

// fieldsOf reads a row of the truth.
func fieldsOf(text []byte) (map[string]string, error) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var columns map[string]any
	if err := d.Decode(&columns); err != nil {
		return nil, err
	}
	out := make(map[string]string, len(columns))
	for name, v := range columns {
		switch v := v.(type) {
		case nil:
			out[name] = null
		case map[string]any:
			var pairs []string
			for _, key := range slices.Sorted(maps.Keys(v)) {
				pairs = append(pairs, fmt.Sprintf("%s=%v", key, v[key]))
			}
			out[name] = "{" + strings.Join(pairs, "|") + "}"
		default:
			out[name] = fmt.Sprint(v)
		}
	}
	return out, nil
}

// rowText is a row as one text, its columns by name.
func rowText(fields map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(fields[name])
		b.WriteString(" ¦ ")
	}
	return b.String()
}

// plus adds rows.
func (r rows) plus(other rows) {
	for table, list := range other {
		r[table] = append(r[table], list...)
	}
}

// differ says where rows differ from those wanted: at most a few rows a table.
func differ(want, got rows) (out []string) {
	names := map[string]bool{}
	for t := range want {
		names[t] = true
	}
	for t := range got {
		names[t] = true
	}
	for _, t := range slices.Sorted(maps.Keys(names)) {
		count := map[string]int{}
		for _, r := range want[t] {
			count[r]++
		}
		for _, r := range got[t] {
			count[r]--
		}
		missing, foreign := sample(count, 1), sample(count, -1)
		if missing != "" || foreign != "" {
			out = append(out, fmt.Sprintf("%s: %d rows, want %d;%s%s", t, len(got[t]), len(want[t]), missing, foreign))
		}
	}
	return out
}

func sample(count map[string]int, sign int) string {
	n, text := 0, ""
	for _, r := range slices.Sorted(maps.Keys(count)) {
		if count[r]*sign > 0 {
			if n++; n <= 2 {
				text += "\n      " + map[int]string{1: "missing ", -1: "foreign "}[sign] + r
			}
		}
	}
	if n > 2 {
		text += fmt.Sprintf("\n      and %d more", n-2)
	}
	return text
}
