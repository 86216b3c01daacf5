package schemas

import (
	"fmt"
	"strings"
)

// Dictionary returns the data dictionary in Markdown.
func Dictionary() string {
	var b strings.Builder
	b.WriteString("# Data dictionary\n\nMade by `roistat-etl schema --format markdown`; don't edit. `?` marks a column that can be null. Times are UTC with milliseconds, amounts have two decimals. With privacy rules, a text or enum with `?` and `campaign_contacts.contact` may hold a hash or a mask, or be null, and a key of `orders.fields` may be absent; every `extra` and `raw` is null unless a rule keeps it.\n")
	for _, t := range tables {
		fmt.Fprintf(&b, "\n## %s\n%s. Version %d; %s; sorted in ClickHouse by `(%s)`.\n\n", t.Name, t.Comment, t.Version, t.Partition.phrase(), t.OrderBy)
		b.WriteString("| column | type | Parquet | ClickHouse | from | meaning |\n|---|---|---|---|---|---|\n")
		for _, c := range t.Columns {
			fmt.Fprintf(&b, "| %s | %s | %s | `%s` | %s | %s |\n", c.Name, c.Type(), c.Kind.arrow(), c.ClickHouse(), c.From, c.Comment)
		}
	}
	b.WriteString("\n# Views\n")
	for _, v := range Views(ClickHouse, "UTC") {
		fmt.Fprintf(&b, "\n## %s\n%s.\n\n```sql\n%s\n```\n", v.Name, v.Comment, v.SQL)
	}
	return b.String()
}

// Type returns the column's kind, with a question mark where it can be null.
func (c Column) Type() string {
	if c.Nullable {
		return c.Kind.String() + "?"
	}
	return c.Kind.String()
}

func (p Partitioning) phrase() string {
	if p == Monthly {
		return "a partition a month of occurred_at, UTC"
	}
	return "one partition"
}
