package serving

import (
	"sync"
	"testing"
)

// busyQueue has more active requests than go on without a turn.
func busyQueue(t *testing.T) *FairQueue {
	made := &FairQueue{}
	made.Start()
	t.Cleanup(made.Stop)
	made.active.Store(made.threshold)
	return made
}

type client string

func (c client) TurnsOf() string { return string(c) }

// arrive has n requests of a client wait in a queue that nobody else moves, and
// returns their turns.
func arrive(t *testing.T, q *FairQueue, c client, n int) []chan struct{} {
	t.Helper()
	var turns []chan struct{}
	for range n {
		turn := q.enqueue(c)
		if turn == nil {
			t.Fatal("it does not have to wait")
		}
		turns = append(turns, turn)
	}
	return turns
}

// on counts those whose turn has come.
func on(turns []chan struct{}) (n int) {
	for _, turn := range turns {
		n += len(turn)
	}
	return n
}

// stillQueue is one in use whose polls a test does itself.
func stillQueue(t *testing.T) *FairQueue {
	q := busyQueue(t)
	q.batch = 3
	q.mu.Lock()
	q.pollPending = true // so that nobody asks for one
	q.mu.Unlock()
	return q
}

// polled does what follows a poll of the network.
func (q *FairQueue) polled() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pollPending = false
	q.admit()
}

func TestEveryQueuedRequestGoesOn(t *testing.T) {
	queue := busyQueue(t)
	var wait sync.WaitGroup
	for range 20 * queue.batch {
		wait.Go(func() {
			for range 20 {
				queue.Enter(client("a"))
				queue.Leave()
			}
		})
	}
	wait.Wait()
	queue.mu.Lock()
	defer queue.mu.Unlock()
	if n := queue.waiting.Len(); n > 0 || queue.beginning != 0 {
		t.Errorf("%d still wait, %d begin", n, queue.beginning)
	}
	if n := queue.active.Load(); n != queue.threshold {
		t.Errorf("%d are active", n)
	}
}

func TestABatchGoesOnAfterAPollFirstComeFirstServed(t *testing.T) {
	q := stillQueue(t)
	turns := arrive(t, q, "a", 7)
	q.polled()
	for i, turn := range turns {
		if on := len(turn) == 1; on != (i < q.batch) {
			t.Errorf("number %d went on: %v", i, on)
		}
	}
}

func TestNoBatchFollowsBeforeTheOneBeforeRuns(t *testing.T) {
	q := stillQueue(t)
	turns := arrive(t, q, "a", 7)
	q.polled()
	for i := range q.batch {
		if q.pollPending {
			t.Errorf("%d run, and the next batch is on its way", i)
		}
		arrive(t, q, "b", 1)
		<-turns[i]
		q.begun(turns[i])
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.pollPending && q.waiting.Len() == 7 {
		t.Error("all run, and nobody has asked for the next batch")
	}
}

func TestFewAfterAPollNeedNotWait(t *testing.T) {
	q := stillQueue(t)
	q.polled()
	for i := range q.batch {
		if q.enqueue(client("a")) != nil {
			t.Errorf("number %d waits", i)
		}
	}
	if q.enqueue(client("a")) == nil {
		t.Error("more than a batch went on")
	}
}

func TestAClientWithManyRequestsDelaysAnotherByOneOfThem(t *testing.T) {
	q := stillQueue(t)
	greedy := arrive(t, q, "greedy", 500)
	calm := arrive(t, q, "calm", 1)
	q.polled()
	if on(greedy) != q.batch-1 || on(calm) != 1 {
		t.Errorf("%d of the one with many went on, and %d of the other", on(greedy), on(calm))
	}
}

func TestWhoIsNotKnownSharesTheTurnsOfAnAddress(t *testing.T) {
	for _, c := range [][3]string{
		{"key", "192.0.2.1:5", "key"}, {"", "192.0.2.1:5", "192.0.2.1"}, {"", "[2001:db8::1]:6", "2001:db8::1"}, {"", "@", "@"},
	} {
		if got := TurnsOf(c[0], c[1]); got != c[2] {
			t.Errorf("%q at %s has the turns of %s", c[0], c[1], got)
		}
	}
}

func TestNobodyQueuesWhileFewAreActiveOrAtTheEnd(t *testing.T) {
	queue := busyQueue(t)
	queue.mu.Lock() // so that nobody goes on who has to wait
	queue.Leave()
	queue.Enter(client("a"))
	var wait sync.WaitGroup
	for range 4 * queue.batch {
		wait.Go(func() { queue.Enter(client("a")) })
	}
	queue.mu.Unlock()
	queue.Stop()
	wait.Wait()
	queue.Enter(client("a"))
	queue.Stop()
}
