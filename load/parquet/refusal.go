package parquet

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"roistat-etl/load"
)

// What file systems may lack, and what a person can do about it.
const (
	remedySymlink = "the file system doesn't know symbolic links: give a folder on a local disk or on NFS, or an s3:// path; SMB knows them with the mount option mfsymlinks"
	remedyFlock   = "the file system doesn't lock files: mount it with locks (NFS without nolock, SMB without nobrl), or give a folder on a local disk, or an s3:// path"
	remedyChmod   = "folders must be 0750 and files 0640: give the folder to the user who runs this, or mount the file system with these modes (SMB: file_mode=0640,dir_mode=0750)"
	remedyFolder  = "let the user who runs this read, write and enter the folder, or give another path"
)

// lacking is what the file system can't do, with what helps.
type lacking struct {
	err    error
	remedy string
}

// Error says what can't be done, and what helps.
func (l *lacking) Error() string { return l.err.Error() + ": " + l.remedy }

// Unwrap returns what happened.
func (l *lacking) Unwrap() error { return l.err }

// incapable makes a refusal of what the file system can't do. Any other error stays.
func incapable(what string, err error, remedy string) error {
	err = fmt.Errorf("%s: %w", what, err)
	for _, never := range []error{syscall.ENOTSUP, syscall.ENOSYS, syscall.ENOLCK, syscall.EPERM, syscall.EINVAL} {
		if errors.Is(err, never) {
			return &load.Refusal{Err: &lacking{err, remedy}}
		}
	}
	return err
}

// remedyOf is what a person can do about an error of the file system.
func remedyOf(err error) string {
	var l *lacking
	switch {
	case errors.As(err, &l):
		return l.remedy
	case load.Refuses(err):
		return remedyFolder
	}
	return "look at the disk (df, dmesg), and try again"
}

// classify makes a refusal of an error that trying again won't help.
func classify(err error) error {
	if err == nil || load.Refuses(err) {
		return err
	}
	final := []error{
		fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG,
		syscall.ENOTSUP, syscall.ENOSYS,
	}
	for _, f := range final {
		if errors.Is(err, f) {
			return &load.Refusal{Err: err}
		}
	}
	return err
}
