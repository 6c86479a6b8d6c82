package h1

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/cpu"

	"osp/go/turns"
)

const (
	// activePerProc is how many connections for each processor may be active
	// before they have to queue.
	activePerProc = 4
	// batchPerProc is how many connections for each processor leave the queue
	// after a poll of the network.
	batchPerProc = 8
)

// fairQueue keeps an overloaded server fair. Go's scheduler polls the network
// only when no runnable goroutine is left (findRunnable in runtime/proc.go). A
// nearby client has sent its next request by the time its connection reads again,
// so a few connections would go on and on while other clients, and responses of
// stores, wait for up to ten milliseconds. Therefore, above a number of active
// connections, one that has served a request waits until the network has been
// polled before it reads the next. The clients whose connections wait take turns, so
// that one with many of them delays each of the others by one request of his.
//
// Nothing makes the scheduler poll. But what is written to a pipe is found by a
// poll, as what arrives from the network is: its reader runs after one.
type fairQueue struct {
	threshold int64 // active connections above which they queue
	batch     int

	_      cpu.CacheLinePad // every request writes to what follows, and reads what is above
	active atomic.Int64     // connections that serve a request or are queued
	_      cpu.CacheLinePad

	mu          sync.Mutex
	started     bool
	waiting     turns.Line[chan<- struct{}] // clients take turns
	waker       *os.File                    // the pipe's end for writing; nil: the queue is not in use
	pollPending bool                        // the pipe has been written to and not yet read
}

// start puts the queue to use, unless it is or was in use already. Without a pipe
// the server is less fair, and that is all.
func (q *fairQueue) start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.started {
		return
	}
	q.started = true
	procs := runtime.GOMAXPROCS(0)
	q.threshold, q.batch = int64(activePerProc*procs), batchPerProc*procs
	pollNotice, waker, err := os.Pipe()
	if err != nil {
		return
	}
	q.waker = waker
	go q.admitAfterPolls(pollNotice)
}

// stop releases all that wait, and lets nobody wait any more.
func (q *fairQueue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.started = true // not again
	if q.waker != nil {
		_ = q.waker.Close() // ends admitAfterPolls
		q.waker = nil
	}
}

func (q *fairQueue) crowded() bool { return q.active.Load() > q.threshold }

// yield lets other connections go first if too many are active.
func (q *fairQueue) yield(c *conn) {
	if q.crowded() && q.enqueue(c) {
		<-c.resume
	}
}

// enqueue reports whether the connection has to wait for c.resume.
func (q *fairQueue) enqueue(c *conn) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.requestPoll() {
		return false
	}
	if c.resume == nil {
		c.resume = make(chan struct{}, 1)
	}
	q.waiting.Push(c.owner(), c.resume)
	return true
}

// requestPoll reports whether a poll of the network will be noticed. The caller
// holds q.mu.
func (q *fairQueue) requestPoll() bool {
	if q.waker != nil && !q.pollPending {
		_, err := q.waker.Write([]byte{0})
		q.pollPending = err == nil
	}
	return q.pollPending
}

// admitAfterPolls releases a batch after each poll, until the waker is closed.
func (q *fairQueue) admitAfterPolls(pollNotice *os.File) {
	defer pollNotice.Close()
	var one [1]byte
	for {
		_, err := pollNotice.Read(one[:])
		q.mu.Lock()
		q.pollPending = false
		if err != nil {
			q.release(q.waiting.Len())
			q.mu.Unlock()
			return
		}
		q.release(q.batch)
		if q.waiting.Len() > 0 && !q.requestPoll() {
			q.release(q.waiting.Len())
		}
		q.mu.Unlock()
	}
}

// release lets n connections go on, if so many wait. The caller holds q.mu.
func (q *fairQueue) release(n int) {
	for range n {
		resume, ok := q.waiting.Pop()
		if !ok {
			return
		}
		resume <- struct{}{}
	}
}
