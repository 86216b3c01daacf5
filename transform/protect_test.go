package transform_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"roistat-etl/schemas"
	"roistat-etl/transform"
)

const salt = "sixteen-bytes-or-more"

// The hash of 79161234567 and of jane@mail.com, by openssl.
const (
	phoneHash = "1891a78ac9b1275a307739a96b733ea9"
	mailHash  = "d7c304d4e33b591dd9431861290c1841"
)

// person is a client of whom every table knows something.
func person() []schemas.Client {
	return []schemas.Client{{
		ID:  123,
		Row: []byte(`{"id":123,"name":"Jane Smith","phone":"+7 (916) 123-45-67","email":"Jane@Mail.com","company":null,"comment":"","revenue":"x","vk":"jane"}`),
		Feed: []byte(`[{"type":"call","date":"2025-01-02T00:00:00Z","caller":"8 916 1234567","callee":"74951234567","line":"7"},
			{"type":"lead_hunter_caught","date":"2025-01-02T00:00:00Z","name":"Jane","field":"79161234567","page":"a/b"},
			{"type":"order","id":"o1","date":"2025-01-02T00:00:00Z","name":"Jane's","fields":{"Почта":"JANE@mail.com","Phone":"89161234567","City":"Berlin","A":{"b":1},"Gone":"x"}},
			{"type":"chat","date":"2025-01-02T00:00:00Z","text":"it's Jane"},
			{"type":"visit","date":"never","visitId":"v","who":"Jane"}]`),
	}}
}

func protectedBy(t testing.TB, rules schemas.Rules) tables {
	t.Helper()
	p := newProjector(t, transform.Options{Rules: rules, Salt: []byte(salt)})
	b, err := p.Clients(person())
	out, _ := projected(t, b, err)
	return out
}

func TestRulesHideAndAPersonStillJoins(t *testing.T) {
	got := protectedBy(t, schemas.Rules{
		"clients.phone": schemas.HashValue, "clients.email": schemas.HashValue, "clients.name": schemas.MaskValue, "clients.company": schemas.HashValue,
		"clients.comment": schemas.DropValue, "calls.caller": schemas.HashValue, "calls.callee": schemas.MaskValue, "lead_hunter_leads.phone": schemas.HashValue,
		"lead_hunter_leads.name": schemas.DropValue, "orders.name": schemas.DropValue, "orders.fields.Почта": schemas.HashValue, "orders.fields.Phone": schemas.MaskValue,
		"orders.fields.A": schemas.MaskValue, "orders.fields.Gone": schemas.DropValue, "orders.fields.City": schemas.KeepValue, "calls.extra": schemas.KeepValue,
	})
	for _, c := range []struct {
		table        schemas.ID
		column, want string
	}{
		{schemas.Clients, "phone", phoneHash}, {schemas.Clients, "email", mailHash}, {schemas.Clients, "name", "J***"}, {schemas.Clients, "company", null},
		{schemas.Clients, "comment", null}, {schemas.Clients, "extra", null}, {schemas.Clients, "client_id", "123"},
		{schemas.Calls, "caller", phoneHash}, {schemas.Calls, "callee", "*********67"}, {schemas.Calls, "extra", `{"line":"7"}`},
		{schemas.LeadHunterLeads, "phone", phoneHash}, {schemas.LeadHunterLeads, "name", null}, {schemas.LeadHunterLeads, "page", "a/b"},
		{schemas.Orders, "name", null}, {schemas.Orders, "fields", "{A={***|City=Berlin|Phone=*********67|Почта=" + mailHash + "}"},
		{schemas.OtherEvents, "raw", null}, {schemas.Rejects, "raw", null},
	} {
		if v := got[c.table][0][c.column]; v != c.want {
			t.Errorf("%s.%s is %q, want %q", c.table, c.column, v, c.want)
		}
	}
}

// TestAnyRuleSilencesWhatNobodyKnows: even one that keeps.
func TestAnyRuleSilencesWhatNobodyKnows(t *testing.T) {
	open := protectedBy(t, nil)
	for name, kept := range map[string]bool{"visits.source_id": false, "clients.extra": false, "rejects.raw": true} {
		got := protectedBy(t, schemas.Rules{name: schemas.KeepValue})
		for _, table := range schemas.Tables() {
			for i, row := range got[table.ID] {
				for _, c := range table.Columns {
					want := open[table.ID][i][c.Name]
					if c.Verbatim() && schemas.RuleName(table, c) != name {
						want = null
					}
					if row[c.Name] != want {
						t.Errorf("%s keep: %s.%s is %q, want %q", name, table.Name, c.Name, row[c.Name], want)
					}
				}
			}
		}
		if kept != (got[schemas.Rejects][0]["raw"] != null) {
			t.Errorf("%s keep: the raw text is %q", name, got[schemas.Rejects][0]["raw"])
		}
	}
	if open[schemas.OtherEvents][0]["raw"] == null || open[schemas.Clients][0]["extra"] == null {
		t.Error("without rules something is hidden")
	}
}

func contactsBy(t testing.TB, action schemas.Action) (lines []string) {
	t.Helper()
	p := newProjector(t, transform.Options{Rules: schemas.Rules{"campaign_contacts.contact": action}, Salt: []byte(salt)})
	b, err := p.Campaigns([]schemas.Campaign{{ID: 2, Rows: [][]byte{
		[]byte(`{"contact":"jane@mail.com","metrics":{"sent":1}}`), []byte(`{"contact":"bob@mail.com","metrics":{"sent":5}}`),
		[]byte(`{"contact":"Jane@mail.com","metrics":{"sent":2}}`), []byte(`{"contact":"jack@mail.com","metrics":{"sent":8}}`),
		[]byte(`{"contact":"jane@mail.com","metrics":{"sent":4}}`),
	}}})
	out, _ := projected(t, b, err)
	for _, r := range out[schemas.CampaignContacts] {
		lines = append(lines, r["contact"]+" "+r["emails"])
	}
	return lines
}

// TestContactsWithOneHashAreOneAndWithOneMaskAreNot: rows are in the order of what is shown.
func TestContactsWithOneHashAreOneAndWithOneMaskAreNot(t *testing.T) {
	if got := contactsBy(t, schemas.KeepValue); !slices.Equal(got, []string{"Jane@mail.com 2", "bob@mail.com 5", "jack@mail.com 8", "jane@mail.com 5"}) {
		t.Error(got)
	}
	if got := contactsBy(t, schemas.MaskValue); !slices.Equal(got, []string{"J***@mail.com 2", "b***@mail.com 5", "j***@mail.com 8", "j***@mail.com 5"}) {
		t.Error(got)
	}
	got := contactsBy(t, schemas.HashValue)
	if len(got) != 3 || !slices.Contains(got, mailHash+" 7") || !slices.IsSorted(got) {
		t.Error(got)
	}
}

func TestHashingWithoutASaltIsRefused(t *testing.T) {
	p := newProjector(t, transform.Options{Rules: schemas.Rules{"clients.phone": schemas.HashValue}, Salt: []byte("fifteen-bytes--")})
	if _, err := p.Clients(person()); err == nil || !strings.Contains(err.Error(), "salt") {
		t.Errorf("%v", err)
	}
}

// TestRulesChangeNothingElse: whatever the rules and however the block is cut,
// other columns, the number and order of the rows, and ids stay, and a ruled
// column depends on its own value alone.
func TestRulesChangeNothingElse(t *testing.T) {
	var columns []string
	for _, table := range schemas.Tables() {
		for _, c := range table.Columns {
			if schemas.Protectable(table, c) && table.ID != schemas.CampaignContacts {
				columns = append(columns, schemas.RuleName(table, c))
			}
		}
	}
	block := person()
	block = append(block, schemas.Client{ID: 124, Row: []byte(`{"id":124}`), Feed: []byte("[" + varied(40, "p") + "]")})
	open := newProjector(t, transform.Options{})
	hidden := func(rules schemas.Rules) *transform.Projector {
		return newProjector(t, transform.Options{Rules: rules, Salt: []byte(salt)})
	}
	b, err := open.Clients(block)
	plain, _ := projected(t, b, err)
	rapid.Check(t, func(rt *rapid.T) {
		rules := schemas.Rules{}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(columns), 1, 8, rapid.ID).Draw(rt, "columns") {
			if rules[name] = schemas.Action(rapid.SampledFrom(schemas.Actions()).Draw(rt, "action")); name == "rejects.field" {
				rules[name] = schemas.HashValue // it may not be dropped: the law counts by it
			}
		}
		p := hidden(rules)
		b, err := p.Clients(block)
		got, _ := projected(rt, b, err)
		if pieces, _ := streamed(rt, p, block); pieces.String() != got.String() {
			rt.Error("pieces are not the whole")
		}
		seen := map[string]string{}
		for _, table := range schemas.Tables() {
			if len(got[table.ID]) != len(plain[table.ID]) {
				rt.Fatal(table.Name, "has another number of rows")
			}
			for i, row := range got[table.ID] {
				for _, c := range table.Columns {
					before, after := plain[table.ID][i][c.Name], row[c.Name]
					key := fmt.Sprint(schemas.RuleName(table, c), "\x00", before)
					if was, ok := seen[key]; ok && was != after {
						rt.Errorf("%s %q is once %q and once %q", schemas.RuleName(table, c), before, was, after)
					}
					seen[key] = after
					switch action := rules.Of(table, c); {
					case action == schemas.KeepValue && after != before,
						action == schemas.DropValue && after != null,
						(action == schemas.HashValue || action == schemas.MaskValue) && (before == null) != (after == null):
						rt.Errorf("%s %s: %q becomes %q", schemas.RuleName(table, c), action, before, after)
					}
				}
			}
		}
	})
}
