package upstream

import (
	"sync/atomic"

	"golang.org/x/sys/cpu"
)

// stack holds the idle connections that lead to one place, the latest to be used on
// top. It has no lock: whoever changes it tries again if somebody else was faster. An
// item is pushed once only, so one that is still on top has not been away meanwhile.
type stack struct {
	top  atomic.Pointer[item]
	left atomic.Bool // the pool has forgotten the stack
	_    cpu.CacheLinePad
}

type item struct {
	conn  *conn
	below *item
}

func (s *stack) push(c *conn) {
	for i := (&item{conn: c}); ; {
		i.below = s.top.Load()
		if s.top.CompareAndSwap(i.below, i) {
			return
		}
	}
}

// pop returns nil if there is no connection.
func (s *stack) pop() *conn {
	for {
		top := s.top.Load()
		if top == nil {
			return nil
		}
		if s.top.CompareAndSwap(top, top.below) {
			return top.conn
		}
	}
}

// popAll returns all connections, the latest to be used first.
func (s *stack) popAll() []*conn {
	var all []*conn
	for i := s.top.Swap(nil); i != nil; i = i.below {
		all = append(all, i.conn)
	}
	return all
}
