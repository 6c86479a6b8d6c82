package main

import (
	"os"
	"runtime"

	"osp/go/capi/border"
)

// tune sets what the process has one of: the server that was started last
// decides. What GOGC and GOMAXPROCS say in the environment stays, unless the
// configuration has a number of threads. 0 stands for all processors that
// affinity and cgroup allow, followed when that changes.
func tune(threads int) {
	if os.Getenv("GOGC") == "" {
		border.PaceCollector()
	}
	switch {
	case threads > 0:
		runtime.GOMAXPROCS(threads)
	case os.Getenv("GOMAXPROCS") == "":
		runtime.SetDefaultGOMAXPROCS()
	}
}
