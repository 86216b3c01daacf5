package chaos

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/schemas"
)

// sum is what a table holds in short: the number of its rows, and the sum of the
// MD5 sums of their texts. Neither the texts nor the sum are the product's.
type sum struct {
	rows int64
	hash uint64
}

// absent is the sum of a table that is not there.
var absent = sum{rows: -1}

// content is what a table must hold.
type content struct {
	sum   sum
	texts []string
}

// era is what all tables hold after some run.
type era map[string]content

// asked is a table and the questions to it.
type asked struct {
	name  string
	texts string // a query that gives each row's text
	sum   string
	parts string
}

// hidden are the columns that the truth doesn't have.
func hidden() []string {
	return []string{"extra", "raw", "first_seen_at", "gone_at", "feed_fetched_at"}
}

// questions makes the queries for all tables.
func questions() (list []*asked) {
	for _, t := range schemas.Tables() {
		var columns []string
		from := database + "." + t.Name
		for _, c := range t.Columns {
			switch {
			case slices.Contains(hidden(), c.Name):
			case t.ID == schemas.Rejects && c.Name == "ordinal":
				columns = append(columns, "ordinal=\x00if(source = 'clients', '', concat('ordinal=', toString(ordinal), ' ¦ '))")
			default:
				columns = append(columns, c.Name+"=\x00concat('"+c.Name+"=', ifNull("+inText(c)+", '∅'), ' ¦ ')")
			}
		}
		slices.Sort(columns) // as rowText has them
		for i, c := range columns {
			_, columns[i], _ = strings.Cut(c, "\x00")
		}
		switch t.ID {
		case schemas.Clients:
			columns = append(columns, "concat('gone=', toString(isNotNull(gone_at)), ' read=', toString(isNotNull(feed_fetched_at)))")
		case schemas.Rejects: // see withoutClients
			from += " WHERE NOT (source = 'clients' AND isNull(client_id))"
		}
		a := &asked{name: t.Name, texts: "SELECT concat(" + strings.Join(columns, ", ") + ", '') AS r FROM " + from}
		a.sum = "SELECT count(), sum(reinterpretAsUInt64(substring(MD5(r), 1, 8))) FROM (" + a.texts + ")"
		a.parts = "SELECT '', count() FROM " + database + "." + t.Name
		if t.Partition == schemas.Monthly {
			a.parts = "SELECT formatDateTime(occurred_at, '%Y-%m') AS m, count() FROM " + database + "." + t.Name + " GROUP BY m"
		}
		list = append(list, a)
	}
	return list
}

// inText is a column as the text that fieldsOf makes of the truth.
func inText(c schemas.Column) string {
	switch c.Kind {
	case schemas.Money:
		return "toDecimalString(" + c.Name + ", 2)"
	case schemas.Time:
		return "concat(replaceOne(toString(" + c.Name + "), ' ', 'T'), 'Z')"
	case schemas.Map:
		return "concat('{', arrayStringConcat(arrayMap((k, v) -> concat(k, '=', v), mapKeys(" + c.Name + "), mapValues(" + c.Name + ")), '|'), '}')"
	default:
		return "toString(" + c.Name + ")"
	}
}

func sumOf(texts []string) sum {
	s := sum{rows: int64(len(texts))}
	for _, text := range texts {
		m := md5.Sum([]byte(text))
		s.hash += binary.LittleEndian.Uint64(m[:8])
	}
	return s
}

// eraOf is the projection of the model.
func eraOf(m *model, want map[int64]rows) era {
	all := rows{}
	for id, r := range want {
		if c := m.clients[id]; c != nil {
			r = flagged(r, c)
		}
		all.plus(r)
	}
	e := era{}
	for _, t := range schemas.Tables() {
		e[t.Name] = content{sum: sumOf(all[t.Name]), texts: all[t.Name]}
	}
	return e
}

// flagged adds to a client's own row what the mirror knows of it.
func flagged(r rows, c *client) rows {
	out := rows{}
	out.plus(r)
	bit := map[bool]int{true: 1}
	var list []string
	for _, text := range r["clients"] {
		list = append(list, fmt.Sprintf("%sgone=%d read=%d", text, bit[c.gone], bit[c.stored != nil]))
	}
	out["clients"] = list
	return out
}

// missing tells whether the server knows no such table, or database.
func missing(err error) bool {
	return strings.HasPrefix(err.Error(), "Code: 60.") || strings.HasPrefix(err.Error(), "Code: 81.")
}

// look asks for the sum of a table as an analyst would.
func (w *warehouse) look(ctx context.Context, a *asked) (sum, error) {
	text, err := w.server.QueryAs(ctx, "bi", clickhousetest.Password, a.sum)
	if err != nil && missing(err) {
		return absent, nil
	}
	if err != nil {
		return sum{}, err
	}
	var s sum
	_, err = fmt.Sscan(text, &s.rows, &s.hash)
	return s, err
}

// pause is between two questions of the reader: it shares the machine with all else.
const pause = 2 * time.Millisecond

// read asks all the time, until the context ends. That a server which is killed
// doesn't answer is no news.
func (w *warehouse) read(ctx context.Context) error {
	for i := 0; ctx.Err() == nil; i++ {
		if i%len(w.tables) == 0 {
			w.ask(ctx, "the views", w.funnel)
		}
		a := w.tables[i%len(w.tables)]
		w.ask(ctx, a.name, func(ctx context.Context) error {
			s, err := w.look(ctx, a)
			if err == nil {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.saw(a.name, s)
			}
			return err
		})
		time.Sleep(pause)
	}
	return nil
}

// ask puts a question and notes that it failed.
func (w *warehouse) ask(ctx context.Context, what string, question func(context.Context) error) {
	away, falls := w.down.Load(), w.falls.Load()
	err := question(ctx)
	if err == nil || ctx.Err() != nil || away || falls != w.falls.Load() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = append(w.trouble, fmt.Sprintf("a reader of %s: %v", what, err))
}

// funnel reads all tables through the views. They differ in age for an instant,
// but none is ever away.
func (w *warehouse) funnel(ctx context.Context) error {
	_, err := w.server.QueryAs(ctx, "bi", clickhousetest.Password, "SELECT count() FROM "+database+".daily_funnel")
	if err == nil {
		w.viewed = true
	} else if missing(err) && !w.viewed {
		return nil
	}
	return err
}

// saw notes what is new; the caller holds the lock.
func (w *warehouse) saw(table string, s sum) {
	w.looks++
	if list := w.seen[table]; len(list) == 0 || list[len(list)-1] != s {
		w.seen[table] = append(list, s)
	}
}

// judgeReads holds what the reader saw in a step against the eras: each table
// must have been that of one run, and never an older one than before.
func (w *warehouse) judgeReads() (found []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.fell) == 0 { // else it died by itself
		found = append(found, w.trouble...)
	}
	for _, a := range w.tables {
		for _, s := range w.seen[a.name] {
			at := w.cursor[a.name]
			for at < len(w.eras) && w.eras[at][a.name].sum != s {
				at++
			}
			if at == len(w.eras) {
				found = append(found, w.strange(a.name, s))
				break
			}
			w.cursor[a.name] = at
		}
	}
	w.trouble, w.seen = nil, map[string][]sum{}
	return found
}

// strange describes what no run published, or one that was replaced already.
func (w *warehouse) strange(table string, s sum) string {
	for i := range w.cursor[table] {
		if w.eras[i][table].sum == s {
			return fmt.Sprintf("a reader saw %s as it was %d runs ago", table, len(w.eras)-1-i)
		}
	}
	text := fmt.Sprintf("a reader saw %d rows of %s, which are no run's:", s.rows, table)
	for _, e := range w.eras[w.cursor[table]:] {
		text += fmt.Sprintf(" %d,", e[table].sum.rows)
	}
	return text[:len(text)-1] + " are"
}

// differs says what is wrong with a table, row by row.
func (w *warehouse) differs(a *asked, want content) string {
	text, err := w.query(a.texts + " FORMAT JSONCompactEachRow")
	if err != nil {
		return err.Error()
	}
	var got []string
	for line := range strings.Lines(text) {
		var row []string
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			return err.Error()
		}
		got = append(got, row[0])
	}
	return strings.Join(differ(rows{a.name: want.texts}, rows{a.name: got}), "; ")
}
