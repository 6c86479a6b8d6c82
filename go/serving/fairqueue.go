package serving

import (
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/cpu"

	"osp/go/turns"
)

const (
	// activePerProc is how many requests for each processor may be active before
	// they have to queue.
	activePerProc = 4
	// batchPerProc is how many for each processor begin after a poll of the network.
	batchPerProc = 8
)

// FairQueue keeps overloaded servers fair. Go's scheduler runs goroutines first come,
// first served, and a processor polls the network when it has none of its own left,
// though others may have hundreds (findRunnable in runtime/proc.go). So whoever sends
// most requests would fill the scheduler's queues with his own, and all other requests,
// and responses of stores, would wait behind them for tens of milliseconds. Therefore,
// above a number of active requests, they begin in batches: the next one once every
// request of the one before runs, which those that were ready earlier have done by then,
// and the network has been polled after that. The clients whose requests wait take turns,
// so that one with many of them delays each of the others by one request of his.
//
// Nothing makes the scheduler poll. But what is written to a pipe is found by a
// poll, as what arrives from the network is: its reader runs after one.
//
// Servers of one process share a FairQueue, as they share the processors. Nobody waits
// before Start.
type FairQueue struct {
	threshold int64 // active requests above which they queue
	batch     int

	_      cpu.CacheLinePad // every request writes to what follows, and reads what is above
	active atomic.Int64     // requests that are served or queued
	_      cpu.CacheLinePad

	mu          sync.Mutex
	started     bool
	waiting     turns.Line[chan struct{}] // clients take turns
	unused      []chan struct{}
	budget      int      // how many more may begin before the next poll
	beginning   int      // have been let go on, and do not run yet
	waker       *os.File // the pipe's end for writing; nil: the queue is not in use
	pollPending bool     // the pipe has been written to and not yet read
}

// Queue is where requests wait for their turns.
type Queue interface {
	// Enter returns when a request may go on.
	Enter(Client)
	// Leave is for each request that has entered, when it has ended.
	Leave()
}

// Client is whoever sends a request.
type Client interface {
	// TurnsOf is the name under which the client's requests share turns.
	TurnsOf() string
}

// TurnsOf names who sends a request: the client, if it is known, or all who come from
// its address.
func TurnsOf(client, remote string) string {
	if client != "" {
		return client
	}
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// Start puts the queue to use, unless it is or was in use already. Without a pipe
// servers are less fair, and that is all.
func (q *FairQueue) Start() {
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

// Stop releases all that wait, and lets nobody wait any more.
func (q *FairQueue) Stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.started = true // not again
	if q.waker != nil {
		_ = q.waker.Close() // ends admitAfterPolls
		q.waker = nil
	}
}

// Enter implements Queue: if too many requests are active it has the client's wait.
func (q *FairQueue) Enter(c Client) {
	if q.active.Add(1) <= q.threshold {
		return
	}
	if turn := q.enqueue(c); turn != nil {
		<-turn
		q.begun(turn)
	}
}

// Leave implements Queue.
func (q *FairQueue) Leave() { q.active.Add(-1) }

// enqueue returns what a request has to wait for; nil: it can go on.
func (q *FairQueue) enqueue(c Client) chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.budget > 0 && q.waiting.Len() == 0 {
		q.budget--
		return nil
	}
	if q.waker == nil || q.beginning == 0 && !q.requestPoll() {
		return nil
	}
	var turn chan struct{}
	if last := len(q.unused) - 1; last >= 0 {
		turn, q.unused = q.unused[last], q.unused[:last]
	} else {
		turn = make(chan struct{}, 1)
	}
	q.waiting.Push(c.TurnsOf(), turn)
	return turn
}

// begun is called when a request runs that has waited. The last of a batch asks for
// the next.
func (q *FairQueue) begun(turn chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unused = append(q.unused, turn)
	q.beginning--
	if q.beginning == 0 && q.waiting.Len() > 0 && !q.requestPoll() {
		q.release(q.waiting.Len())
	}
}

// requestPoll reports whether a poll of the network will be noticed. The caller
// holds q.mu.
func (q *FairQueue) requestPoll() bool {
	if q.waker != nil && !q.pollPending {
		_, err := q.waker.Write([]byte{0})
		q.pollPending = err == nil
	}
	return q.pollPending
}

// admitAfterPolls releases a batch after each poll, until the waker is closed.
func (q *FairQueue) admitAfterPolls(pollNotice *os.File) {
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
		q.admit()
		q.mu.Unlock()
	}
}

// admit has the next batch begin. The caller holds q.mu.
func (q *FairQueue) admit() {
	q.budget = q.batch
	q.release(q.batch)
}

// release lets n requests go on, if so many wait. The caller holds q.mu.
func (q *FairQueue) release(n int) {
	for range n {
		turn, ok := q.waiting.Pop()
		if !ok {
			return
		}
		q.budget--
		q.beginning++
		turn <- struct{}{}
	}
}
