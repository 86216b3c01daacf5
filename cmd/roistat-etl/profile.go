//go:build profile

package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// profile writes a CPU profile of the process into the folder that
// ROISTAT_ETL_PROFILES names, for default.pgo (`make profile`).
func profile() (stop func()) {
	f, err := os.CreateTemp(os.Getenv("ROISTAT_ETL_PROFILES"), "*.prof")
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "roistat-etl: profile:", err)
			os.Exit(1)
		}
	}
	check(err)
	return func() {
		pprof.StopCPUProfile()
		check(f.Close())
	}
}
