package h2

import (
	"net/http"
	"slices"
	"testing"

	"osp/go/serving/servingtest"
)

func TestStreamsWaitForTheTurnsOfTheirClient(t *testing.T) {
	const streams = 3
	gate := servingtest.NewGate(streams)
	served := make(chan string, streams)
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		served <- r.URL.Path
		w.(interface{ BelongsTo(string) }).BelongsTo(r.URL.Path)
	}, func(s *Server) { s.Queue = gate })
	l := s.dial()
	ask := func(stream uint32, path string) {
		head := slices.Clone(plain)
		head[len(head)-1] = path
		l.ask(stream, true, head...)
	}
	ask(1, "/a")
	if client := <-gate.Waiting; client != "127.0.0.1" {
		t.Errorf("%s at first", client)
	}
	gate.Pass <- struct{}{}
	if got := l.hear(1); got.status != "200" {
		t.Fatalf("%+v", got)
	}
	<-served
	for stream := range uint32(streams) {
		ask(2*stream+3, "/b")
		if client := <-gate.Waiting; client != "/a" {
			t.Errorf("stream %d is %s's", 2*stream+3, client)
		}
	}
	if len(served) != 0 {
		t.Error("a request was served before its turn")
	}
	for range streams {
		gate.Pass <- struct{}{}
	}
	for range streams {
		<-served
	}
}
