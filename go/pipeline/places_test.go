package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
	"osp/go/s3err"
	"osp/go/stores"
)

func TestClientsTakeTurnsAtAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{size: 1}
		if err := p.take(t.Context(), "greedy"); err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 100)
		wait := func(client string) {
			go func() {
				if p.take(t.Context(), client) == nil {
					order <- client
					p.leave(client)
				}
			}()
			synctest.Wait()
		}
		for range 50 {
			wait("greedy")
		}
		wait("calm")
		p.leave("greedy")
		synctest.Wait()
		if first, second := <-order, <-order; first != "greedy" || second != "calm" {
			t.Errorf("%s, %s", first, second)
		}
		if len(order) != 49 || p.taken != 0 {
			t.Errorf("%d more, %d taken", len(order), p.taken)
		}
	})
}

func TestWhoeverGivesUpLeavesNoPlaceTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{size: 1}
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
		p.leave("a")
		if p.taken != 0 || p.waiting.Len() != 0 {
			t.Errorf("%d taken, %d wait", p.taken, p.waiting.Len())
		}
	})
}

// full has clients take places until there are none for them, and returns how many each has.
func full(t *testing.T, p *places, clients ...string) []int {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that nobody waits
	for range p.size {
		for _, client := range clients {
			_ = p.take(ctx, client)
		}
	}
	var has []int
	for _, client := range clients {
		has = append(has, p.has[client])
	}
	return has
}

func TestSomePlacesAreKeptForThoseWhoHaveNone(t *testing.T) {
	p := &places{size: 16}
	if has := full(t, p, "slow"); has[0] != 16 {
		t.Errorf("who is alone has %d", has[0])
	}
	if has := full(t, p, "calm"); has[0] != 0 {
		t.Errorf("there were none, and another has %d", has[0])
	}
	for range 16 {
		p.leave("slow")
	}
	for clients, want := range map[string][]int{"a": {12}, "ab": {7, 7}, "abcde": {3, 3, 3, 3, 3}} {
		owners := strings.Split(clients, "")
		has := full(t, p, owners...)
		if !slices.Equal(has, want) {
			t.Errorf("%s have %d", clients, has)
		}
		if full(t, p, "calm")[0] == 0 {
			t.Errorf("%s leave nothing to another", clients)
		}
		for client, n := range maps.Clone(p.has) {
			for range n {
				p.leave(client)
			}
		}
	}
	if p.taken != 0 || len(p.has) != 0 {
		t.Errorf("%d are taken, by %v", p.taken, p.has)
	}
}

func TestWhoeverHasHisPartWaitsForOneOfHisOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{size: 4, several: true}
		full(t, p, "slow")
		got := make(chan string, 2)
		for _, client := range []string{"slow", "calm"} {
			go func() {
				if p.take(t.Context(), client) == nil {
					got <- client
				}
			}()
			synctest.Wait()
		}
		if client := <-got; client != "calm" || len(got) != 0 {
			t.Errorf("%s got the last place, and %d more", client, len(got))
		}
		p.leave("calm")
		synctest.Wait()
		if len(got) != 0 {
			t.Error("the place that is kept went to who has three")
		}
		p.leave("slow")
		if client := <-got; client != "slow" {
			t.Error(client)
		}
	})
}

func TestPlacesStayThoseOfTheirEntryWhenItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s storePlaces
		entry := func(connections int, host string) *stores.Bucket {
			b := &stores.Bucket{Name: "photos", Host: host, Port: 443, Connections: connections}
			s.update([]*stores.Bucket{b})
			return b
		}
		p := s.of(entry(2, "a"))
		full(t, p, "client")
		if again := s.of(entry(3, "a")); again != p {
			t.Fatal("an update made others")
		}
		full(t, p, "client")
		if p.taken != 3 {
			t.Errorf("%d are taken of three", p.taken)
		}
		waits := make(chan error, 2)
		wait := func() {
			go func() { waits <- p.take(t.Context(), "client") }()
			synctest.Wait()
		}
		if entry(1, "a"); p.taken != 3 {
			t.Errorf("%d are taken", p.taken)
		}
		wait()
		p.leave("client")
		p.leave("client")
		synctest.Wait()
		if len(waits) != 0 {
			t.Error("there was one, and it was taken")
		}
		entry(2, "a")
		if err := <-waits; err != nil {
			t.Error(err)
		}
		wait()
		if other := s.of(entry(1, "b")); other == p || other.taken != 0 {
			t.Error("another store has the places of the one before")
		}
		if err := <-waits; err != nil { // nobody else would give them any
			t.Error(err)
		}
		if s.of(entry(0, "b")) != nil {
			t.Error("an entry without a number has places")
		}
	})
}

func TestAnUpdateResizesThePlacesOfAnEntry(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"photos": {"connections": 1}})
	entry := r.pipeline.Entries()[0]
	changed := pipelinetest.Entry(entry.Port)
	changed["connections"] = 5
	document, err := json.Marshal(settings{"cos_map": settings{"photos": changed}})
	if err != nil {
		t.Fatal(err)
	}
	u, err := r.Config.ParseUpdate(document, r.pipeline.Running())
	if err != nil {
		t.Fatal(err)
	}
	p := r.pipeline.storePlaces.of(entry)
	r.pipeline.Update(u)
	if now := r.pipeline.storePlaces.of(r.pipeline.Entries()[0]); now != p || p.size != 5 {
		t.Errorf("the entry has %d places, the same ones: %v", now.size, now == p)
	}
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

func TestAnEntryThatComesBackHasTheRequestsThatItHad(t *testing.T) {
	var s storePlaces
	entry := &stores.Bucket{Name: "a", Connections: 1}
	s.update([]*stores.Bucket{entry})
	p := s.of(entry)
	if err := p.take(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	s.update(nil)
	s.update([]*stores.Bucket{entry})
	if s.of(entry) != p || p.free() != 0 {
		t.Error("the request that is at the store is forgotten")
	}
	p.leave("c")
	s.update(nil)
	if n := len(*s.byEntry.Load()); n != 0 {
		t.Errorf("%d are kept", n)
	}
}
