package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version and commit are set by a release; otherwise the build's own information serves.
var version, commit = "", ""

// release is the version alone.
func release() string {
	if version != "" {
		return version
	}
	return "devel"
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
