package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

// published is a file of a snapshot, as its manifest names it.
type published struct {
	Path, Partition, SHA256, Digest string
	Rows                            int64
}

// readManifest reads a snapshot's files by their paths.
func readManifest(snapshot string) (map[string]published, error) {
	b, err := os.ReadFile(filepath.Join(snapshot, "_manifest.json"))
	if err != nil {
		return nil, err
	}
	var m struct {
		Tables map[string]struct{ Files []published }
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	files := map[string]published{}
	for _, t := range m.Tables {
		for _, f := range t.Files {
			files[f.Path] = f
		}
	}
	return files, nil
}

// fingerprint describes all that is below a folder, to the inode and the byte.
func fingerprint(dir string) (string, error) {
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s %v inode %d", path, info.Mode(), info.Sys().(*syscall.Stat_t).Ino)
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			list = append(list, line+" -> "+target)
			return err
		case d.Type().IsRegular():
			b, err := os.ReadFile(path)
			list = append(list, fmt.Sprintf("%s sha256 %x", line, sha256.Sum256(b)))
			return err
		}
		list = append(list, line)
		return nil
	})
	sort.Strings(list)
	return strings.Join(list, "\n") + "\n", err
}
