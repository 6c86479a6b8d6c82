package h1

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"osp/go/serving"
	"osp/go/serving/servingtest"
)

func TestRequestsWaitForTheTurnsOfWhoTheHandlerSaidTheyAre(t *testing.T) {
	gate := servingtest.NewGate(1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n := gate.Inside.Load(); n != 1 {
			t.Errorf("%d have entered", n)
		}
		w.(interface{ BelongsTo(string) }).BelongsTo(r.URL.Path)
	}, func(s *Server) { s.Queue = gate })
	l := s.dial()
	for _, c := range [][2]string{{"/a", "127.0.0.1"}, {"/b", "/a"}, {"/b", "/b"}} {
		l.say(strings.Replace(get, "GET / ", "GET "+c[0]+" ", 1))
		if client := <-gate.Waiting; client != c[1] {
			t.Errorf("%s before %s", client, c[0])
		}
		gate.Pass <- struct{}{}
		if _, _, err := l.hear("GET"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestManyConnectionsAreServedWholeAndInOrder(t *testing.T) {
	var queue serving.FairQueue
	queue.Start()
	t.Cleanup(queue.Stop)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }, func(s *Server) { s.Queue = &queue })
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
