package h1

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func busyQueue(t *testing.T) *fairQueue {
	made := &fairQueue{}
	made.start()
	t.Cleanup(made.stop)
	made.active.Store(made.threshold + 1)
	return made
}

func TestEveryQueuedConnectionGoesOn(t *testing.T) {
	queue := busyQueue(t)
	var wait sync.WaitGroup
	for range 20 * queue.batch {
		c := &conn{}
		wait.Go(func() {
			for range 20 {
				queue.yield(c)
			}
		})
	}
	wait.Wait()
	queue.mu.Lock()
	defer queue.mu.Unlock()
	if n := queue.waiting.Len(); n > 0 {
		t.Errorf("%d still wait", n)
	}
}

func TestABatchGoesOnAfterAPollFirstComeFirstServed(t *testing.T) {
	queue := &fairQueue{batch: 3}
	var came []chan struct{}
	for range 7 {
		turn := make(chan struct{}, 1)
		came = append(came, turn)
		queue.waiting.Push("", turn)
	}
	queue.release(queue.batch)
	queue.release(2)
	for i, turn := range came {
		if on := len(turn) == 1; on != (i < 5) {
			t.Errorf("number %d went on: %v", i, on)
		}
	}
	if n := queue.waiting.Len(); n != 2 {
		t.Errorf("%d wait", n)
	}
}

func TestAClientWithManyConnectionsDelaysAnotherByOneOfThem(t *testing.T) {
	queue := &fairQueue{}
	resume := func(client string) chan struct{} {
		c := &conn{client: client, resume: make(chan struct{}, 1)}
		queue.waiting.Push(c.owner(), c.resume)
		return c.resume
	}
	for range 500 {
		resume("greedy")
	}
	calm, nobody := resume("calm"), (&conn{remote: "192.0.2.1:5"}).owner()
	queue.release(2)
	if len(calm) != 1 {
		t.Error("it waits behind all others")
	}
	if nobody != "192.0.2.1" || (&conn{remote: "192.0.2.1:6"}).owner() != nobody || (&conn{remote: "@"}).owner() != "@" {
		t.Errorf("connections of nobody known belong to %s", nobody)
	}
}

func TestTheHandlerSaysWhoseAConnectionIs(t *testing.T) {
	owners := make(chan string, 2)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(interface{ BelongsTo(string) }).BelongsTo(r.URL.Path)
		owners <- w.(*response).c.owner()
	})
	l := s.dial()
	for _, path := range []string{"/a", "/b"} {
		l.say(strings.Replace(get, "GET / ", "GET "+path+" ", 1))
		if _, _, err := l.hear("GET"); err != nil {
			t.Fatal(err)
		}
		if owner := <-owners; owner != path {
			t.Errorf("%s", owner)
		}
	}
}

func TestNobodyQueuesWhileFewAreActiveOrAtTheEnd(t *testing.T) {
	queue, c := busyQueue(t), &conn{}
	queue.active.Store(queue.threshold)
	queue.yield(c)
	if c.resume != nil {
		t.Error("it waited alone")
	}
	queue.active.Add(1)
	queue.mu.Lock() // so that nobody goes on
	var wait sync.WaitGroup
	for range 4 * queue.batch {
		wait.Go(func() { queue.yield(&conn{}) })
	}
	queue.mu.Unlock()
	queue.stop()
	wait.Wait()
	queue.yield(c)
	queue.stop()
}

func TestManyConnectionsAreServedWholeAndInOrder(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			l := s.dial()
			for _, path := range []string{"/a", "/b", "/c"} {
				l.say(strings.Replace(get, "GET / ", "GET "+path+" ", 1))
				if _, body, err := l.hear("GET"); err != nil || body != path {
					t.Errorf("%s: got %q, %v", path, body, err)
				}
			}
		})
	}
	wait.Wait()
}
