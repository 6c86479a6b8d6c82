package pipeline

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
)

func TestClientsTakeTurnsAtAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{free: 1}
		if err := p.take(t.Context(), "greedy"); err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 100)
		wait := func(client string) {
			go func() {
				if p.take(t.Context(), client) == nil {
					order <- client
					p.leave()
				}
			}()
			synctest.Wait()
		}
		for range 50 {
			wait("greedy")
		}
		wait("calm")
		p.leave()
		synctest.Wait()
		if first, second := <-order, <-order; first != "greedy" || second != "calm" {
			t.Errorf("%s, %s", first, second)
		}
		if len(order) != 49 || p.free != 1 {
			t.Errorf("%d more, %d free", len(order), p.free)
		}
	})
}

func TestWhoeverGivesUpLeavesNoPlaceTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{free: 1}
		_ = p.take(t.Context(), "a")
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- p.take(ctx, "b") }()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		begun := time.Now()
		if err := p.take(t.Context(), "c"); !errors.Is(err, s3err.SlowDown) || time.Since(begun) != placePatience {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		p.leave()
		if p.free != 1 || p.waiting.Len() != 0 {
			t.Errorf("%d free, %d wait", p.free, p.waiting.Len())
		}
	})
}

func TestAnEntryHasSoManyRequestsAtItsStore(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"photos": {"connections": 2}, "other": {}})
	arrived, answer := make(chan struct{}, 10), make(chan struct{})
	r.Store.Answers(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-answer
	})
	done := make(chan int, 4)
	for range 3 {
		go func() { done <- r.Do(r.Signed("GET", "/photos/k", "")).StatusCode }()
	}
	<-arrived
	<-arrived
	go func() { done <- r.Do(r.Signed("GET", "/other/k", "")).StatusCode }()
	<-arrived // that of the other entry
	select {
	case <-arrived:
		t.Error("a third one is at the store")
	case <-time.After(50 * time.Millisecond): // which can only make the test pass by mistake
	}
	close(answer)
	for range 4 {
		if status := <-done; status != 200 {
			t.Errorf("%d", status)
		}
	}
}
