package border

import (
	"math"
	"sync"
)

// Table gives values int32 handles. 0 is never a handle, and a handle that was
// taken out comes back only after two billion others.
type Table[T any] struct {
	mu     sync.Mutex
	last   int32
	values map[int32]T
}

// Put keeps v and returns its handle, which is positive.
func (t *Table[T]) Put(v T) int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.values == nil {
		t.values = make(map[int32]T)
	}
	for {
		if t.last == math.MaxInt32 {
			t.last = 0
		}
		t.last++
		if _, taken := t.values[t.last]; !taken {
			t.values[t.last] = v
			return t.last
		}
	}
}

// Get returns the value of a handle.
func (t *Table[T]) Get(handle int32) (T, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.values[handle]
	return v, ok
}

// Take returns the value of a handle and forgets it.
func (t *Table[T]) Take(handle int32) (T, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.values[handle]
	delete(t.values, handle)
	return v, ok
}

// Len returns how many handles there are.
func (t *Table[T]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.values)
}
