package parquet

import (
	"fmt"
	"path"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

const (
	snapshots    = "snapshots"
	current      = "current"
	manifestName = "_manifest.json"
	viewsName    = "views.sql"
	staging      = ".staging-"         // before the RUN
	flipping     = "." + current + "-" // before the RUN
	partName     = "part-0000.parquet"

	dirMode  = 0o750
	fileMode = 0o640
)

// filePath returns the path of a partition's file in its snapshot, with slashes.
func filePath(id schemas.ID, month string) string {
	if month == "" {
		return path.Join(id.String(), partName)
	}
	return path.Join(id.String(), "month="+month, partName)
}

// parseManifest reads the manifest of a run's snapshot and checks that it is its own.
func parseManifest(text []byte, run string) (*load.Manifest, error) {
	m, err := load.ParseManifest(text)
	if err != nil && load.IntactText(text) {
		return nil, &load.Refusal{Err: fmt.Errorf("another version of this program has written it: %w", err)}
	}
	if err != nil {
		return nil, err
	}
	if m.Run != run {
		return nil, fmt.Errorf("it is that of run %s", m.Run)
	}
	for name, t := range m.Tables {
		table, _ := schemas.ByName(name)
		for _, f := range t.Files {
			if want := filePath(table.ID, f.Partition); f.Path != want {
				return nil, fmt.Errorf("%s, partition %q: the path is %q, not %q", name, f.Partition, f.Path, want)
			}
		}
	}
	return m, nil
}
