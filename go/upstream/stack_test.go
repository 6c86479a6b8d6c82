package upstream

import (
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/cpu"
)

func TestTheLastConnectionToBeUsedIsTheFirstToServeAgain(t *testing.T) {
	var s stack
	a, b, c := &conn{}, &conn{}, &conn{}
	for _, each := range []*conn{a, b, c} {
		s.push(each)
	}
	if s.pop() != c {
		t.Error("the one on top is not the last that was pushed")
	}
	if all := s.popAll(); len(all) != 2 || all[0] != b || all[1] != a {
		t.Errorf("%d are left", len(all))
	}
	if s.pop() != nil || s.popAll() != nil {
		t.Error("the stack is not empty")
	}
}

func TestAConnectionServesOneRequestAtATime(t *testing.T) {
	var s stack
	const connections = 4
	serving := make(map[*conn]*atomic.Bool, connections)
	for range connections {
		c := &conn{}
		serving[c] = new(atomic.Bool)
		s.push(c)
	}
	var wait sync.WaitGroup
	for range 2 * connections {
		wait.Go(func() {
			for range 50_000 {
				c := s.pop()
				if c == nil {
					continue
				}
				if !serving[c].CompareAndSwap(false, true) {
					t.Error("a connection was given away twice")
					return
				}
				serving[c].Store(false)
				s.push(c)
			}
		})
	}
	wait.Wait()
	if left := len(s.popAll()); left != connections {
		t.Errorf("%d of %d are left", left, connections)
	}
}

func TestTheCountOfIdleConnectionsIsAloneInItsCacheLine(t *testing.T) {
	var p pool
	const line = unsafe.Sizeof(cpu.CacheLinePad{})
	before := unsafe.Offsetof(p.waiting) - unsafe.Offsetof(p.sweeping) - unsafe.Sizeof(p.sweeping)
	after := unsafe.Sizeof(p) - unsafe.Offsetof(p.waiting) - unsafe.Sizeof(p.waiting)
	if before < line || after < line {
		t.Errorf("%d bytes before it, %d behind it", before, after)
	}
}
