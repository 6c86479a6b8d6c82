package front

import "syscall"

// most is the limit of connections where nobody asked for another one. An idle
// one takes some 20 KiB.
const most = 10_000

// DefaultLimit is how many connections of clients a front should have: half of
// the files that the process may open, since each may need one to its store, and
// no more than 10,000. Go raises what may be opened to the hard limit at its start.
func DefaultLimit() int {
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) != nil {
		return most
	}
	return limitFor(files.Cur)
}

func limitFor(files uint64) int { return int(max(1, min(files/2, most))) }
