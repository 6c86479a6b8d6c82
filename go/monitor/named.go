package monitor

import (
	"sync"
	"sync/atomic"
)

const (
	// mostNames bounds the names that are distinguished. There are fewer.
	mostNames = 128
	otherName = "other"
)

// named are counts by name, such as an S3 error code.
type named struct {
	counts sync.Map // name -> *atomic.Uint64
	known  atomic.Int64
}

func (n *named) add(name string) {
	counter, ok := n.counts.Load(name)
	if !ok {
		if n.known.Load() >= mostNames {
			name = otherName
		}
		var known bool
		if counter, known = n.counts.LoadOrStore(name, new(atomic.Uint64)); !known {
			n.known.Add(1)
		}
	}
	counter.(*atomic.Uint64).Add(1)
}

func (n *named) all() map[string]uint64 {
	all := make(map[string]uint64)
	n.counts.Range(func(name, count any) bool {
		all[name.(string)] = count.(*atomic.Uint64).Load()
		return true
	})
	return all
}
