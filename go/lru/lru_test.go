package lru

import (
	"hash/maphash"
	"slices"
	"sync"
	"testing"
)

func has(m *Map[int, string], key int) bool {
	_, ok := m.Get(key)
	return ok
}

func TestAValueIsThereUntilItIsRemoved(t *testing.T) {
	m := New[int, string](10, maphash.Comparable[int], nil)
	m.Add(1, "one")
	if v, ok := m.Get(1); !ok || v != "one" {
		t.Errorf("got %q, %v", v, ok)
	}
	m.Add(1, "uno")
	if v, _ := m.Get(1); v != "uno" || m.Len() != 1 {
		t.Errorf("got %q, %d entries", v, m.Len())
	}
	m.Remove(1)
	if has(m, 1) || m.Len() != 0 {
		t.Error("it is still there")
	}
	m.Add(2, "two")
	m.Purge()
	if has(m, 2) || m.Len() != 0 {
		t.Error("the map is not empty")
	}
}

func TestWhatWasFoundStaysLongest(t *testing.T) {
	m := New[int, string](3, maphash.Comparable[int], nil)
	for key := range 3 {
		m.Add(key, "")
	}
	m.Get(0)
	m.Add(3, "")
	if has(m, 1) || m.Len() != 3 {
		t.Errorf("%v are there, though 1 was not found", m.Keys())
	}
	for _, key := range m.Keys() {
		m.Get(key)
	}
	m.Add(4, "")
	if !has(m, 4) || m.Len() != 3 {
		t.Errorf("%v are there, though one had to go", m.Keys())
	}
}

func TestWhatIsSparedGoesLast(t *testing.T) {
	m := New[int, string](3, maphash.Comparable[int], nil)
	m.Spare(func(v string) bool { return v == "busy" })
	m.Add(0, "busy")
	for key := range 10 {
		m.Add(1+key, "")
		if m.Get(1 + key); !has(m, 0) || !has(m, 1+key) {
			t.Fatalf("%v are there", m.Keys())
		}
	}
	for key := range 4 {
		m.Add(20+key, "busy")
	}
	if m.Len() != 3 || !has(m, 23) {
		t.Errorf("%v are there, though all are busy", m.Keys())
	}
}

func TestAScanLeavesWhatIsInUse(t *testing.T) {
	m := New[int, string](100, maphash.Comparable[int], nil)
	for key := range 50 {
		m.Add(key, "")
	}
	for stranger := 1000; stranger < 3000; stranger++ {
		m.Add(stranger, "")
		m.Get(stranger % 50)
	}
	for key := range 50 {
		if !has(m, key) {
			t.Errorf("%d has gone", key)
		}
	}
}

func TestEachValueThatGoesIsTold(t *testing.T) {
	var gone []string
	m := New[int, string](2, maphash.Comparable[int], func(v string) { gone = append(gone, v) })
	m.Add(1, "replaced")
	m.Add(1, "removed")
	m.Remove(1)
	m.Remove(1)
	m.Add(2, "displaced")
	m.Add(3, "purged")
	m.Add(4, "purged too")
	m.Purge()
	slices.Sort(gone[3:])
	if want := []string{"replaced", "removed", "displaced", "purged", "purged too"}; !slices.Equal(gone, want) {
		t.Errorf("told of %q", gone)
	}
}

func TestManyEntriesAreAllFound(t *testing.T) {
	const many = 20 * fewest
	m := New[int, int](many, maphash.Comparable[int], nil)
	for key := range many {
		m.Add(key, -key)
	}
	for key := range many {
		if v, ok := m.Get(key); !ok || v != -key {
			t.Fatalf("%d: %d, %v", key, v, ok)
		}
	}
	if all := m.chains.Load().len(); all < many {
		t.Errorf("%d entries in %d chains", many, all)
	}
	if len(m.Keys()) != many || len(m.Values()) != many {
		t.Errorf("%d keys, %d values", len(m.Keys()), len(m.Values()))
	}
}

func TestReadersFindWhatWritersLeaveAlone(t *testing.T) {
	const lasting = -1000
	m := New[int, int](1000, maphash.Comparable[int], nil)
	m.Add(lasting, 0)
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for last := 0; ; {
				select {
				case <-stop:
					return
				default:
				}
				v, ok := m.Get(lasting)
				if !ok || v < last {
					t.Errorf("got %d, %v after %d", v, ok, last)
					return
				}
				last = v
			}
		})
	}
	writers.Go(func() { // more and more chains, out of which something is always removed
		for key := range 5000 {
			m.Add(key, 0)
			m.Remove(key - 100)
		}
	})
	writers.Go(func() {
		for v := range 5000 {
			m.Add(lasting, v)
		}
	})
	writers.Wait()
	close(stop)
	readers.Wait()
}
