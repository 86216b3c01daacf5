package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version is set by a release, as v1.2.3+COMMIT; otherwise the build's own
// information serves.
var version = ""

// release is the version alone.
func release() string {
	name, _, _ := strings.Cut(version, "+")
	return cmp.Or(name, "devel")
}

// versionText names the release and the commit that was built.
func versionText() string {
	text := release()
	if c := builtCommit(); c != "" {
		text += " (commit " + c + ")"
	}
	return fmt.Sprintf("%s %s %s/%s", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// builtCommit is the commit, and whether the sources differed from it.
func builtCommit() string {
	_, commit, _ := strings.Cut(version, "+")
	info, ok := debug.ReadBuildInfo()
	if commit != "" || !ok {
		return commit
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", modified"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + modified
}
