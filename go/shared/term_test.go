package shared

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/valkey-io/valkey-go"
)

// by makes a replica take a relay to the server.
func by(r *relay) func(*Options) {
	return func(o *Options) { o.Address.Socket = r.path }
}

// inNewLog waits until replicas are in another log than one.
func inNewLog(t *testing.T, old string, replicas ...*replica) {
	t.Helper()
	for _, r := range replicas {
		eventually(t, "a replica is in the old log", func() bool {
			at := r.at.Load()
			return at != nil && at.log != old && r.Generation() != 0 && !r.breaker.open()
		})
	}
}

// A name leads to one server, to the one that took over from it, and to the first
// again, which was neither started again nor told yet that it is a copy.
func TestAServerThatComesBackHasNothingThatIsGood(t *testing.T) {
	t.Parallel()
	first, second := newServer(t), newServer(t)
	f := newFleet(t, first)
	way := newRelay(t, first.socket)
	a, b := f.replica(by(way)), f.replica(by(way))
	v, err := a.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	old := a.at.Load().log
	way.lead(second.socket)
	inNewLog(t, old, a, b)
	f.changesItsMind()
	if err := a.Revoke(t.Context(), Revocation{Token: ptr("x")}); err != nil {
		t.Fatal(err)
	}
	v, err = b.get(t.Context(), "x", "y")
	must(t, v, err, "new")
	other := b.at.Load().log
	way.lead(first.socket)
	inNewLog(t, other, a, b)
	for _, r := range []*replica{a, b} {
		if log := r.at.Load().log; log == old {
			t.Error("the old log is used again")
		}
		v, err = r.get(t.Context(), "x", "y")
		must(t, v, err, "new")
	}
}

func TestWhoRevokesGoesBackToNoOlderLog(t *testing.T) {
	t.Parallel()
	first, second := newServer(t), newServer(t)
	f := newFleet(t, first)
	way := newRelay(t, first.socket)
	a := f.replica(by(way))
	a.fallSilent() // it only revokes
	before, err := a.adopt(t.Context(), beatTimeout)
	if err != nil {
		t.Fatal(err)
	}
	way.lead(second.socket)
	eventually(t, "the other server is not reached", func() bool {
		at, err := a.adopt(t.Context(), beatTimeout)
		return err == nil && at.log != before.log
	})
	way.lead(first.socket)
	eventually(t, "the first server is not reached", func() bool {
		at, err := a.adopt(t.Context(), beatTimeout)
		return err == nil && at.term == 3
	})
	if first.command("HGET", a.key("head"), "log") == before.log {
		t.Error("it revokes in a log that is over")
	}
}

func TestALogThatIsLostStaysLost(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	way := newRelay(t, s.socket)
	a, b := f.replica(by(way)), f.replica()
	v, err := a.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	log := a.at.Load().log
	k := a.keys(log, itemOf("x", "y"))
	epoch := s.command("GET", k.scopes[1])
	f.changesItsMind()
	if err := b.Revoke(t.Context(), Revocation{Token: ptr("x")}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*replica{a, b} {
		r.fallSilent()
	}
	// The process loses the revocation, as by a restored copy.
	s.command("HSET", k.head, "number", "0", "last", log)
	s.command("SET", k.scopes[1], epoch)
	a.lose(log)
	way.setCut(true) // before another log is found
	if err := a.beat(t.Context()); err == nil {
		t.Fatal("it is not cut off")
	}
	way.setCut(false)
	eventually(t, "it does not come back", func() bool { return a.beat(t.Context()) == nil && !a.breaker.open() })
	if a.at.Load().log == log {
		t.Error("it is used again")
	}
	v, err = a.get(t.Context(), "x", "y")
	must(t, v, err, "new")
}

func TestAServerThatWasACopyMeanwhileHasLostTheLog(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := newFleet(t, s).replica()
	log := r.at.Load().log
	s.command("REPLICAOF", "127.0.0.1", "1")
	s.command("REPLICAOF", "NO", "ONE")
	inNewLog(t, log, r)
}

func TestOfTwoLogsOfOneTermOnlyTheFirstIsUsed(t *testing.T) {
	var known terms
	at := func(log string, term int64) position { return position{log: log, term: term} }
	for _, c := range []struct {
		at   position
		want bool
	}{
		{at("a", 1), true}, {at("a", 1), true}, {at("b", 1), false}, {at("c", 3), true}, {at("a", 1), false}, {at("d", 2), false}, {at("c", 3), true},
	} {
		if got := known.allow(c.at); got != c.want {
			t.Errorf("%v: %v", c.at, got)
		}
	}
	known.lose("c")
	if known.allow(at("c", 3)) || known.allow(at("d", 3)) || !known.allow(at("d", 4)) {
		t.Error("a log is used that is lost, or as old as one that is")
	}
}

// Somebody has written to the server.
func TestAfterTheHighestTermThereIsAnotherLogForWhoDoesNotKnowIt(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	a := f.replica()
	s.command("HSET", a.key("head"), "term", strconv.Itoa(countable-1))
	a.Close()
	a = f.replica()
	if term := a.at.Load().term; term != countable-1 {
		t.Fatal(term)
	}
	if at := (position{newID(), 0, newID(), countable}); at.valid() {
		t.Error("Go takes a term that the scripts do not")
	}
	a.fallSilent()
	s.kill()
	s.start()
	eventually(t, "it goes on", func() bool { return errors.Is(a.beat(t.Context()), errAnswer) && a.at.Load() == nil })
	a.Close()
	alive(t, f.replica())
}

func TestAServerThatDoesNotSayWhatItIsIsNotUsed(t *testing.T) {
	s := newServer(t)
	for _, info := range []string{"", "run_id:1", "master_replid:1"} {
		says := "local redis = {call = function() return '" + info + "' end, error_reply = redis.error_reply}"
		err := valkey.NewLuaScript(says+process+"return process").Exec(context.Background(), s.client(), nil, nil).Error()
		if err == nil || !strings.Contains(err.Error(), "INFO lacks") {
			t.Errorf("%q: %v", info, err)
		}
	}
}
