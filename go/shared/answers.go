package shared

import (
	"context"
	"encoding/binary"
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

	firstLook, lastLook = 5 * time.Millisecond, 100 * time.Millisecond
)

// Item is an answer that can be shared.
type Item struct {
	Kind          string // of the answer: what is known by one kind is not by another
	Key           string // what it was made by, within its kind
	Token, Bucket string // whom it is about
	Bucketless    bool   // it is about the token alone
}

// Fields makes one Key of several texts, as no other texts do.
func Fields(texts ...string) string {
	var b []byte
	for _, t := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
	}
	return string(b)
}

// Codec writes and reads values of a kind. Decode gets the time since the value
// was asked for; what it reports false for does not exist.
type Codec[V any] struct {
	Encode func(V) []byte
	Decode func(b []byte, age time.Duration) (V, bool)
}

// Load makes a load of a cache look at what the fleet remembers first, and ask
// its callback only if no other replica does. What is not to be kept is not
// shared either.
func Load[V any](s *State, item Item, codec Codec[V], load cache.Load[V]) cache.Load[V] {
	if s == nil {
		return load
	}
	return func(ctx context.Context) (cache.Entry[V], error) {
		a := &asking[V]{s: s, codec: codec, load: load, keys: s.keys(item), who: s.id + strconv.FormatUint(s.asked.Add(1), 36)}
		return a.answer(ctx, time.Now().Add(s.o.Patience))
	}
}

// Discard drops an answer that turned out to be of no use, so that it is asked
// for again.
func (s *State) Discard(item Item) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.o.Timeout)
	defer cancel()
	_, _ = s.run(ctx, discard, s.keys(item)[:1]) // a server that is away has nothing to give either
}

// keys are KEYS of the script take.
func (s *State) keys(item Item) []string {
	name := s.names.Name(item.Kind, s.o.Version, item.Key)
	keys := []string{s.key("value:" + name), s.key("all"), s.scope(s.names, &item.Token, nil), "", "", s.key("asked:" + name), s.key("number"), s.key("alone:" + name)}
	if item.Bucketless {
		keys[3] = s.clientScope(s.names, item.Token)
		keys[4] = keys[3]
	} else {
		keys[3], keys[4] = s.scope(s.names, nil, &item.Bucket), s.scope(s.names, &item.Token, &item.Bucket)
	}
	return keys
}

// asking is one search for an answer.
type asking[V any] struct {
	s     *State
	codec Codec[V]
	load  cache.Load[V]
	keys  []string
	who   string
}

// answer is what the fleet remembers, else what the callback says.
func (a *asking[V]) answer(ctx context.Context, until time.Time) (cache.Entry[V], error) {
	var old *cache.Entry[V] // it serves while it is renewed
	renew := "0"
	for look := firstLook; ; {
		reply, err := a.s.take(ctx, a.keys, a.who, renew)
		if ctx.Err() != nil {
			return cache.Entry[V]{}, ctx.Err()
		}
		switch {
		case err != nil: // of the server: each replica for itself
			return a.load(ctx)
		case reply.what == asks:
			return a.ask(ctx, reply)
		case reply.what == holds:
			e, due, ok := a.open(reply)
			if ok && !due {
				a.s.counts.hits.Add(1)
				return e, nil
			}
			if renew = "1"; ok {
				old = &e
			}
		case old != nil: // somebody else renews it, or can't
			return *old, nil
		case reply.what == alone || time.Now().After(until):
			return a.load(ctx)
		default:
			renew = "0"
			sleep(ctx, look/2+rand.N(look/2+1))
			look = min(2*look, lastLook)
		}
	}
}

// ask asks the callback, for all.
func (a *asking[V]) ask(ctx context.Context, reply reply) (cache.Entry[V], error) {
	a.s.counts.misses.Add(1)
	release := a.hold(ctx)
	e, err := a.load(ctx)
	release()
	ctx = context.WithoutCancel(ctx)
	if err != nil || e.TTL < time.Millisecond {
		_, _ = a.s.run(ctx, drop, []string{a.keys[5], a.keys[7]}, a.who, milliseconds(aloneFor)) // else it ends by itself
		return e, err
	}
	ttl := min(e.TTL, longest)
	sealed := a.s.values.Seal(a.keys[0], a.encode(reply, e, ttl))
	_, _ = a.s.run(ctx, put, a.keys, a.who, strconv.FormatInt(reply.born, 10), string(sealed), milliseconds(ttl)) // the asker has it
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
			_, _ = a.s.run(ctx, hold, a.keys[5:6], a.who, milliseconds(holdFor)) // another replica asks, too, then
		}
	}()
	return func() { cancel(); <-done }
}

// headSize is that of what stands before a value: when it was born and asked
// for, how long it lasts, when it is to be renewed, and whether it goes aside.
const headSize = 4*8 + 1

func (a *asking[V]) encode(r reply, e cache.Entry[V], ttl time.Duration) []byte {
	b := make([]byte, 0, headSize+64)
	for _, n := range []int64{r.born, r.now, ttl.Milliseconds(), e.RefreshAfter.Milliseconds()} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	aside := byte(0)
	if e.Aside {
		aside = 1
	}
	return append(append(b, aside), a.codec.Encode(e.Value)...)
}

// open reads a value. It reports false for what nobody of the fleet has written
// there, or what is over.
func (a *asking[V]) open(r reply) (e cache.Entry[V], due, ok bool) {
	b, ok := a.s.values.Open(a.keys[0], r.sealed)
	if !ok || len(b) < headSize {
		a.s.counts.foreign.Add(1)
		return e, false, false
	}
	n := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	age := time.Duration(max(0, r.now-n(1))) * time.Millisecond
	ttl, renew := time.Duration(n(2))*time.Millisecond, time.Duration(n(3))*time.Millisecond
	if n(0) != r.born || age >= ttl {
		return e, false, false
	}
	value, ok := a.codec.Decode(b[headSize:], age)
	e = cache.Entry[V]{Value: value, TTL: ttl - age, Aside: b[headSize-1] == 1}
	if renew > 0 {
		e.RefreshAfter = max(time.Millisecond, renew-age)
		if due = age >= renew; due {
			e.RefreshAfter = e.TTL / 10
		}
	}
	return e, due, ok
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// What the script take says.
const (
	holds = "value"
	asks  = "ask"
	waits = "wait"
	alone = "alone"
)

type reply struct {
	what   string
	sealed []byte
	born   int64
	now    int64 // by the server's clock, in ms
}

func (s *State) take(ctx context.Context, keys []string, who, renew string) (reply, error) {
	message, err := s.run(ctx, take, keys, who, milliseconds(holdFor), renew)
	if err != nil {
		return reply{}, err
	}
	parts, err := message.ToArray()
	if err != nil || len(parts) == 0 {
		return reply{}, errAnswer
	}
	what, err := parts[0].ToString()
	if err != nil {
		return reply{}, errAnswer
	}
	r := reply{what: what}
	switch {
	case what == waits || what == alone:
		return r, nil
	case what == holds && len(parts) == 4:
		sealed, err := parts[1].ToString()
		if err != nil {
			return reply{}, errAnswer
		}
		r.sealed, parts = []byte(sealed), parts[1:]
	case what != asks || len(parts) != 3:
		return reply{}, errAnswer
	}
	born, err1 := parts[1].AsInt64()
	now, err2 := parts[2].AsInt64()
	if err1 != nil || err2 != nil {
		return reply{}, errAnswer
	}
	r.born, r.now = born, now
	return r, nil
}
