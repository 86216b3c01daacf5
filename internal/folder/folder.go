// Package folder makes folders that others can rely on: with exactly the mode
// that was asked for, whatever the umask, and such that a power failure doesn't
// take them away again.
package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Make makes a folder and the parents that it lacks, gives each the mode, and
// makes that durable. A folder that is there already stays as it is.
func Make(name string, mode fs.FileMode) error { return makeSynced(name, mode, Sync) }

func makeSynced(name string, mode fs.FileMode, sync func(string) error) error {
	made, err := MakeAll(name, mode, Allow)
	if err != nil {
		return err
	}
	for _, dir := range made {
		if err := sync(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	return nil
}

// MakeAll is Make for a folder that the caller makes durable; allow is [Allow], or
// what stands for it. It returns the folders that it has made, the outermost first.
func MakeAll(name string, mode fs.FileMode, allow func(string, fs.FileMode) error) (made []string, err error) {
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder", name)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if parent := filepath.Dir(name); parent != name {
		if made, err = MakeAll(parent, mode, allow); err != nil {
			return made, err
		}
	}
	err = os.Mkdir(name, mode)
	if errors.Is(err, fs.ErrExist) { // another was faster, or it is a link that leads nowhere
		_, err = os.Stat(name)
		return made, err
	}
	if err != nil {
		return made, err
	}
	return append(made, name), allow(name, mode)
}

// Allow adds the permissions that a file or folder lacks. It takes none away:
// they, the group and setgid may be its owner's wish.
func Allow(name string, mode fs.FileMode) error {
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm()&mode == mode {
		return err
	}
	return os.Chmod(name, info.Mode()|mode)
}

// Sync makes durable what a folder holds, or a file.
func Sync(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
