package h1

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func crowded(t *testing.T) *turns {
	made := &turns{}
	made.open()
	t.Cleanup(made.close)
	made.inPlay.Store(made.crowd + 1)
	return made
}

func TestEveryoneInACrowdGetsATurn(t *testing.T) {
	turns := crowded(t)
	var wait sync.WaitGroup
	for range 20 * turns.atOnce {
		c := &conn{}
		wait.Go(func() {
			for range 20 {
				turns.wait(c)
			}
		})
	}
	wait.Wait()
	turns.mu.Lock()
	defer turns.mu.Unlock()
	if len(turns.waiting) > 0 {
		t.Errorf("%d still wait", len(turns.waiting))
	}
}

func TestOnlySoManyGoOnAfterALookTheFirstFirst(t *testing.T) {
	turns := &turns{atOnce: 3}
	var came []chan struct{}
	for range 7 {
		turn := make(chan struct{}, 1)
		came = append(came, turn)
		turns.waiting = append(turns.waiting, turn)
	}
	turns.release(turns.atOnce)
	turns.release(2)
	for i, turn := range came {
		if on := len(turn) == 1; on != (i < 5) {
			t.Errorf("number %d went on: %v", i, on)
		}
	}
	if len(turns.waiting) != 2 {
		t.Errorf("%d wait", len(turns.waiting))
	}
}

func TestNobodyWaitsWithoutACrowdOrAtTheEnd(t *testing.T) {
	turns, c := crowded(t), &conn{}
	turns.inPlay.Store(turns.crowd)
	turns.wait(c)
	if c.turn != nil {
		t.Error("it waited alone")
	}
	turns.inPlay.Add(1)
	turns.mu.Lock() // so that nobody goes on
	var wait sync.WaitGroup
	for range 4 * turns.atOnce {
		wait.Go(func() { turns.wait(&conn{}) })
	}
	turns.mu.Unlock()
	turns.close()
	wait.Wait()
	turns.wait(c)
	turns.close()
}

func TestACrowdIsServedWholeAndInOrder(t *testing.T) {
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
