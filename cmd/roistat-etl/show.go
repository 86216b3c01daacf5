package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"roistat-etl/internal/untrusted"
	"roistat-etl/pipeline"
)

func (a *app) showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show CLIENT [PIPELINE…]",
		Short: "Show one client's raw row and feed, and the rows and rejects made of them",
		Long: `Shows one client: first the row and the feed as the API gave them, which the
mirror keeps whatever the privacy rules say, then the rows and rejects made of
them as they are published, by the rules.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("name the client: roistat-etl show CLIENT [PIPELINE…]")}
			}
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError{fmt.Errorf("%q is no client id: a whole number", args[0])}
			}
			list, err := a.projectable(args[1:])
			if err != nil {
				return err
			}
			found := false
			for _, p := range list {
				c, err := pipeline.ShowClient(cmd.Context(), p, id)
				if err != nil {
					return fmt.Errorf("%s: %w", p.Name, err)
				}
				if c == nil {
					continue
				}
				found = true
				if err := a.printClient(p.Name, c); err != nil {
					return err
				}
			}
			if !found {
				return fmt.Errorf("client %d is in no mirror of these pipelines", id)
			}
			return nil
		},
	}
	a.jsonFlag(cmd, "print JSON, a line a row; the first line is what the API gave")
	return cmd
}

// printClient prints a client: raw first, then its rows table by table.
func (a *app) printClient(name string, c *pipeline.ClientView) error {
	if f := c.Forgotten; f != nil && a.json {
		return a.printJSON(f)
	} else if f != nil {
		return a.printf("client %d of %s was forgotten at %s: nothing else is kept of it\n", f.ClientID, name, f.ForgottenAt)
	}
	if a.json {
		if err := a.printJSON(c.Raw); err != nil {
			return err
		}
		for _, r := range c.Rows {
			b, err := r.Tagged()
			if err != nil {
				return err
			}
			if err := a.printf("%s\n", untrusted.JSON(b)); err != nil {
				return err
			}
		}
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "client %d of %s\n\nrow, as the API gave it:\n%s\n\nfeed, as the API gave it:\n%s\n", c.Raw.ClientID, name, pretty(c.Raw.Row), pretty(c.Raw.Feed))
	table := ""
	for _, r := range c.Rows {
		if r.Table.Name != table {
			table = r.Table.Name
			fmt.Fprintf(&text, "\n%s:\n", table)
		}
		b, err := r.MarshalJSON()
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "  %s\n", untrusted.JSON(b))
	}
	return a.printf("%s", text.String())
}

// pretty indents JSON, or says that there is none.
func pretty(raw json.RawMessage) string {
	if raw == nil {
		return "  none"
	}
	raw = untrusted.JSON(raw)
	b, err := json.MarshalIndent(raw, "  ", "  ")
	if err != nil {
		return "  " + string(raw)
	}
	return "  " + string(b)
}
