package h1

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// crowd is how many connections, for each processor, may have something to
	// do before they take turns.
	crowd = 4
	// atOnce is how many go on, for each processor, after a look at the network.
	atOnce = 8
)

// turns keeps a server fair that has more to do than it can. Go's scheduler
// looks at the network only when no goroutine is left that could run (findRunnable
// in runtime/proc.go). A client that is near has sent its next request by the
// time that its connection would read it: a few connections go on and on then,
// while other clients, and answers of stores, wait for up to ten milliseconds.
// So in a crowd a connection that has served a request waits for a look at the
// network before it reads the next one.
//
// Nobody can ask the scheduler for a look. But a pipe is news from the network,
// too: whoever waits for what it says goes on after one.
type turns struct {
	crowd  int64
	atOnce int
	inPlay atomic.Int64 // connections that serve a request, or wait here after one

	mu      sync.Mutex
	waiting []chan<- struct{} // in the order in which they came
	bell    *os.File          // nil: nobody has to wait
	rung    bool
}

// open begins. Without a pipe nobody takes turns, which is less fair and no more.
func (t *turns) open() {
	heard, bell, err := os.Pipe()
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	procs := runtime.GOMAXPROCS(0)
	t.crowd, t.atOnce, t.bell = int64(crowd*procs), atOnce*procs, bell
	go t.look(heard)
}

// close lets all go on that wait, and nobody wait any more.
func (t *turns) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bell != nil {
		_ = t.bell.Close() // which look hears
		t.bell = nil
	}
}

// wait lets other connections go first, in a crowd.
func (t *turns) wait(c *conn) {
	if t.inPlay.Load() > t.crowd && t.enter(c) {
		<-c.turn
	}
}

// enter reports whether the connection has to wait for its turn.
func (t *turns) enter(c *conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ring() {
		return false
	}
	if c.turn == nil {
		c.turn = make(chan struct{}, 1)
	}
	t.waiting = append(t.waiting, c.turn)
	return true
}

// ring reports whether a look at the network is under way. It needs t.mu.
func (t *turns) ring() bool {
	if t.bell != nil && !t.rung {
		_, err := t.bell.Write([]byte{0})
		t.rung = err == nil
	}
	return t.rung
}

// look lets those that wait go on, some after each look, until the bell is closed.
func (t *turns) look(heard *os.File) {
	defer heard.Close()
	var toll [1]byte
	for {
		_, err := heard.Read(toll[:])
		t.mu.Lock()
		t.rung = false
		if err != nil {
			t.release(len(t.waiting))
			t.mu.Unlock()
			return
		}
		t.release(min(t.atOnce, len(t.waiting)))
		if len(t.waiting) > 0 && !t.ring() {
			t.release(len(t.waiting))
		}
		t.mu.Unlock()
	}
}

// release lets so many go on that came first. It needs t.mu.
func (t *turns) release(n int) {
	for _, turn := range t.waiting[:n] {
		turn <- struct{}{}
	}
	left := copy(t.waiting, t.waiting[n:])
	clear(t.waiting[left:])
	t.waiting = t.waiting[:left]
}
