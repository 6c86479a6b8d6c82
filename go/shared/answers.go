package shared

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"osp/go/cache"
)

const (
	// hold is renewed while the callback is asked, so that a replica which dies
	// meanwhile holds nobody up for longer.
	holdFor = 3 * time.Second
	// aloneFor is how long others are told that an answer can't be shared.
	aloneFor = 2 * time.Second
	// scopeFor is how long an epoch lasts at least while somebody asks. Those of
	// answers last as long as the answers.
	scopeFor = 30 * time.Second
	// longest is how long a value is shared at most.
	longest = 24 * time.Hour

	firstLook, lastLook = 5 * time.Millisecond, 100 * time.Millisecond
)

// Load makes a load of a cache look at what the fleet remembers first, and ask
// its callback only if no other replica does. What is not to be kept is not
// shared either. Without a lease each replica is alone.
func Load[V any](s *State, item Item, codec Codec[V], load cache.Load[V]) cache.Load[V] {
	return func(ctx context.Context) (cache.Entry[V], error) {
		generation, at := s.Generation(), s.at.Load()
		if generation == 0 || at == nil {
			return load(ctx)
		}
		a := &asking[V]{s: s, codec: codec, load: load, generation: generation, keys: s.keys(at.log, item), who: newID(), patience: s.patience(item)}
		return a.answer(ctx, time.Now())
	}
}

// Discard drops an answer that turned out to be of no use, so that it is asked
// for again. Another one that has taken its place meanwhile stays.
func Discard[V any](s *State, item Item, codec Codec[V], useless func(V) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), s.o.Timeout)
	defer cancel()
	if e, at, ok := recalled(ctx, s, item, codec); ok && useless(e.Value) {
		s.discard(ctx, at.value, at.sealed)
	}
}

// Find returns what the fleet remembers, and asks no callback.
func Find[V any](ctx context.Context, s *State, item Item, codec Codec[V]) (cache.Entry[V], bool) {
	if s.Generation() == 0 {
		return cache.Entry[V]{}, false
	}
	e, _, ok := recalled(ctx, s, item, codec)
	return e, ok
}

// found is where an answer was found.
type found struct{ value, sealed string }

func recalled[V any](ctx context.Context, s *State, item Item, codec Codec[V]) (e cache.Entry[V], at found, ok bool) {
	log := s.at.Load()
	if log == nil {
		return e, at, false
	}
	value, sent := s.keys(log.log, item).value, time.Now()
	message, err := s.run(ctx, look, []string{value}, strconv.Itoa(maxSealed))
	if err != nil {
		return e, at, false // a server that is away has nothing to give either
	}
	r, err := replyOf(message, sent)
	if err != nil || r.what != holds {
		return e, at, false
	}
	e, ok = open(s, codec, value, r)
	return e, found{value, r.sealed}, ok
}

func (s *State) discard(ctx context.Context, value, sealed string) {
	_, _ = s.run(ctx, discard, []string{value}, sealed)
}

// asking is one search for an answer, in one generation and one log.
type asking[V any] struct {
	s          *State
	codec      Codec[V]
	load       cache.Load[V]
	generation uint64
	keys       keys
	who        string
	patience   time.Duration
	waited     bool // for another replica's answer
}

// answer is what the fleet remembers, else what the callback says. Half of the
// patience is for waiting, so that an own question has half of it at least, and
// both together take no longer than that.
func (a *asking[V]) answer(ctx context.Context, begun time.Time) (cache.Entry[V], error) {
	own := ctx // of an own question
	for look := firstLook; ; look = min(2*look, lastLook) {
		reply, err := a.take(ctx)
		switch {
		case ctx.Err() != nil:
			return cache.Entry[V]{}, ctx.Err()
		case err != nil: // each replica for itself
			return a.askAlone(ctx, own)
		}
		switch reply.what {
		case asks:
			return a.ask(own, reply)
		case renews:
			e, err := a.ask(own, reply)
			if err != nil { // the old value serves meanwhile
				return a.remembered(ctx, err)
			}
			return e, nil
		case holds:
			if e, ok := open(a.s, a.codec, a.keys.value, reply); ok {
				a.s.counts.hits.Add(1)
				return e, nil
			}
			a.s.counts.foreign.Add(1)
			a.s.discard(ctx, a.keys.value, reply.sealed)
		case alone:
			return a.askAlone(ctx, own)
		}
		if !a.waited {
			var cancel context.CancelFunc
			own, cancel = context.WithDeadline(ctx, begun.Add(a.patience))
			defer cancel()
			a.waited = true
		}
		if time.Since(begun) >= a.patience/2 {
			return a.askAlone(ctx, own)
		}
		sleep(ctx, look/2+rand.N(look/2+1))
	}
}

// askAlone asks the callback for this replica only. Whoever has waited has less
// time for that than the callback may take, but the answer that it waited for may
// have come meanwhile.
func (a *asking[V]) askAlone(ctx, own context.Context) (cache.Entry[V], error) {
	e, err := a.load(own)
	if err != nil && a.waited {
		return a.remembered(ctx, err)
	}
	return e, err
}

// remembered is what the fleet remembers now that a question has failed, which is
// not asked again.
func (a *asking[V]) remembered(ctx context.Context, failed error) (cache.Entry[V], error) {
	reply, err := a.take(ctx)
	if err != nil {
		return cache.Entry[V]{}, failed
	}
	if reply.what == asks || reply.what == renews {
		a.drop(context.WithoutCancel(ctx))
	}
	if reply.what == holds || reply.what == renews {
		if e, ok := open(a.s, a.codec, a.keys.value, reply); ok {
			a.s.counts.hits.Add(1)
			return e, nil
		}
	}
	return cache.Entry[V]{}, failed
}

// ask asks the callback, for all.
func (a *asking[V]) ask(ctx context.Context, reply reply) (cache.Entry[V], error) {
	a.s.counts.misses.Add(1)
	release := a.hold(ctx)
	e, err := a.load(ctx)
	release()
	after := context.WithoutCancel(ctx) // the asker may have left
	if err != nil || e.TTL < time.Millisecond {
		a.drop(after)
		return e, err
	}
	sealed := sealed(a.s, a.codec, a.keys.value, reply, e)
	if len(sealed) > maxSealed {
		a.drop(after)
		return e, nil
	}
	a.put(after, reply, e, sealed)
	return e, nil
}

// hold keeps the right to ask for as long as the callback takes.
func (a *asking[V]) hold(ctx context.Context) (release func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			sleep(ctx, holdFor/3)
			if ctx.Err() != nil {
				return
			}
			keys := append([]string{a.keys.marker}, a.keys.scopes[:]...)
			_, _ = a.s.run(ctx, hold, keys, a.who, milliseconds(holdFor), milliseconds(scopeFor)) // another replica asks, too, then
		}
	}()
	return func() { cancel(); <-done }
}

// drop gives the right to ask back, else it ends by itself.
func (a *asking[V]) drop(ctx context.Context) {
	_, _ = a.s.run(ctx, drop, []string{a.keys.marker, a.keys.alone}, a.who, milliseconds(aloneFor))
}
