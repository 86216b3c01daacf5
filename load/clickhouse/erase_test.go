package clickhouse

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/load"
	"roistat-etl/schemas"
)

// withPerson is a world in which one visitor has a text that gives him away.
func withPerson(t *testing.T, mark string) *load.Snapshot {
	t.Helper()
	return seal(t, func(s *load.Spool) {
		for _, table := range schemas.Tables() {
			spill(t, s, table, rowsOf(table, 1, 8))
		}
		if mark == "" {
			return
		}
		b := array.NewRecordBuilder(memory.NewGoAllocator(), schemas.Get(schemas.CampaignContacts).Arrow())
		defer b.Release()
		for i, v := range []any{"12345", int64(9), mark, "sent", int64(1)} {
			switch f := b.Field(i).(type) {
			case *array.StringBuilder:
				f.Append(v.(string))
			case *array.Int64Builder:
				f.Append(v.(int64))
			}
		}
		spill(t, s, schemas.Get(schemas.CampaignContacts), b.NewRecord())
	})
}

// holders lists the files below a folder that hold a text. Files come and go meanwhile.
func holders(t *testing.T, dir, text string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			out = append(out, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEraseLeavesNoByteInTheServersFolder publishes a person, then tables without
// him, and looks for him in every file of the server.
func TestEraseLeavesNoByteInTheServersFolder(t *testing.T) {
	s := clickhousetest.Start(t, clickhousetest.Options{})
	name := s.Database(t)
	p := place{as(t, s, "etl", name), s, name}
	random := rand.New(rand.NewPCG(1, 2))
	long := make([]byte, 64<<10) // that no codec makes shorter
	for i := range long {
		long[i] = byte(random.Uint32())
	}
	mark := string(long[20_000:20_050])
	dir := s.Folder()
	outcomes, err := publish(t, p.Destination, run(1), withPerson(t, string(long)))
	must(t, outcomes, err)
	if found := holders(t, dir, mark); len(found) == 0 {
		t.Fatal("the search finds nothing even now")
	}
	// What publishings that died have left, ours and another mirror's.
	for i, mirror := range []string{run(1).Mirror, "mirror-2"} {
		left := "campaign_contacts" + nextInfix + run(50+i).Run
		m := mark2(run(50+i).Run, mirror)
		p.query(t, "CREATE TABLE %s.`%s` ENGINE = MergeTree ORDER BY contact COMMENT 'left %s' AS SELECT contact FROM %[1]s.campaign_contacts", p.name, left, m)
	}
	without := withPerson(t, "")
	outcomes, err = publish(t, p.Destination, run(2), without)
	must(t, outcomes, err)
	if err := p.Erase(t.Context(), "another"); !errors.Is(err, load.ErrForeign) {
		t.Errorf("another mirror's: %v", err)
	}
	for range 2 {
		if err := p.Erase(t.Context(), run(1).Mirror); err != nil {
			t.Fatal(err)
		}
	}
	if left := p.query(t, "SELECT name FROM system.tables WHERE database = '%s' AND name LIKE '%%__next_%%'", p.name); left != "" {
		t.Errorf("left behind: %s", left)
	}
	if found := holders(t, dir, mark); len(found) > 0 {
		t.Errorf("found in %q", found)
	}
	p.shows(t, run(2), without)
	if runs := p.query(t, "SELECT DISTINCT run FROM %s._partitions", p.name); strings.TrimSpace(runs) != run(2).Run {
		t.Errorf("_partitions tells of %q", runs)
	}
}

func mark2(run, mirror string) string { return fmt.Sprint(mark{run, mirror}) }

func TestEraseOfADatabaseThatIsNotThere(t *testing.T) {
	s := clickhousetest.Shared(t)
	if err := as(t, s, "etl", s.Database(t)+"_absent").Erase(t.Context(), "m"); err != nil {
		t.Error(err)
	}
}
