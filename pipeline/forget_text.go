package pipeline

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// mostForgotten is how many clients the text names; --json has them all.
const mostForgotten = 20

// WriteText writes what became of an erasure for a person to read.
func (e *Erasure) WriteText(w io.Writer) error {
	var b strings.Builder
	words := map[Outcome]string{OK: "forgotten", Interrupted: "interrupted; forget again, and it goes on", Gated: "erased from the mirror, but not from what is published"}
	word, ok := words[e.Outcome]
	if !ok {
		word = "failed"
	}
	took := e.FinishedAt.Sub(e.StartedAt).Round(100 * time.Millisecond)
	fmt.Fprintf(&b, "\n%s: %s (run %s, %s, exit code %d)\n\n", e.Pipeline, word, e.Run, took, e.ExitCode)
	e.writeClients(&b)
	e.writePlaces(&b)
	for _, g := range e.Gates {
		if !g.Passed {
			fmt.Fprintf(&b, "  gate %s: %.2f%% is above %.2f%%: %s\n", g.Name, 100*g.Value, 100*g.Limit, g.Detail)
		}
	}
	if e.Error != nil {
		fmt.Fprintf(&b, "  error: %s\n", *e.Error)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (e *Erasure) writeClients(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for i, c := range e.Forgotten {
		if i == mostForgotten {
			fmt.Fprintf(t, "  and %d more: --json lists them\n", len(e.Forgotten)-i)
			break
		}
		text := "erased; it won't be fetched again"
		switch c.State {
		case ClientForgotten:
			text = "was forgotten at " + c.At.Format("2006-01-02 15:04 UTC")
		case ClientUnknown:
			text = "was never seen; it won't be fetched"
		}
		fmt.Fprintf(t, "  client %d\t%s\n", c.ClientID, text)
	}
	_ = t.Flush() // a strings.Builder never fails
	if e.Contacts+e.Unlisted+e.Imported > 0 {
		fmt.Fprintf(b, "  their contacts were in %s rows of campaigns, %s elements of the list without an id, %s rejects of imports: deleted\n",
			humanize.Comma(e.Contacts), humanize.Comma(e.Unlisted), humanize.Comma(e.Imported))
	}
	if len(e.Forgotten) > 0 {
		b.WriteString("\n")
	}
}

func (e *Erasure) writePlaces(b *strings.Builder) {
	switch {
	case e.Mirror == MirrorClean:
		b.WriteString("  mirror: not a byte of it is left\n")
	case len(e.Forgotten) > 0:
		b.WriteString("  mirror: deleted, but bytes of it lie in the file still\n")
	}
	for _, d := range e.Destinations {
		text := "shows nothing"
		switch {
		case slices.Contains(e.StillShows, d.Kind+" "+d.Target):
			text = "may still show them, or have what it showed before"
		case d.Run != "":
			text = d.State + ", shows run " + d.Run + "; nothing older is left"
		}
		fmt.Fprintf(b, "  %s %s: %s\n", d.Kind, d.Target, text)
	}
}
