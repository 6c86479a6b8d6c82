package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// gcPercent is Go's GOGC. The heap of a proxy is so small that at Go's own 100
// the collector runs every 200 small requests, takes 3 of the 65 microseconds
// that each costs, and holds up those that it meets. At 400 it takes a half; the
// process is 12 MiB larger, and an idle connection takes 25 instead of 21.5 KiB.
const gcPercent = 400

// tune sets what the process has one of: the server that was started last
// decides. What GOGC and GOMAXPROCS say in the environment stays, unless the
// configuration has a number of threads. 0 stands for all processors that
// affinity and cgroup allow, followed when that changes.
func tune(threads int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	switch {
	case threads > 0:
		runtime.GOMAXPROCS(threads)
	case os.Getenv("GOMAXPROCS") == "":
		runtime.SetDefaultGOMAXPROCS()
	}
}
