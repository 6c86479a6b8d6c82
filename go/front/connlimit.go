package front

import "syscall"

// maxDefaultLimit bounds DefaultLimit. An idle connection takes about 20 KiB.
const maxDefaultLimit = 10_000

// DefaultLimit is how many connections of clients a Listener should have at a time:
// half of the files that the process may open, since each may need one to its store,
// and no more than 10,000. Go raises the process's limit of open files to the hard
// limit at its start.
func DefaultLimit() int {
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) != nil {
		return maxDefaultLimit
	}
	return limitFor(files.Cur)
}

func limitFor(files uint64) int { return int(max(1, min(files/2, maxDefaultLimit))) }
