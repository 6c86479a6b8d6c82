// Package grants keeps what token services grant for something that lasts, such
// as a token for an API key: one exchange at a time for each, repeated while the
// service is faulty, renewed in the background before a grant ends, and shared
// with a fleet. What is exchanged for what is its callers' part. It never logs,
// and none of its errors holds what was given or granted.
package grants

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"osp/go/cache"
	"osp/go/s3err"
	"osp/go/shared"
)

const (
	// Attempts is how often a faulty service is asked before that is an outage.
	Attempts = 4
	// KeepRefusal spares the service an exchange for every request when what it is
	// given is wrong, and another one right after an exchange, whatever came of that.
	KeepRefusal = 5 * time.Second

	capacity     = 4096
	attemptTime  = 10 * time.Second
	longestLoad  = 2 * attemptTime // of all attempts: clients wait no longer
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second
	expiryMargin = 30 * time.Second // a grant must still be valid when the store sees it; half of its life at most
)

// How an exchange can end.
const (
	Granted = "granted"
	Refused = "refused" // by the service
	Failed  = "failed"  // the service could not be asked, or its response made no sense
)

// Grant is what a service said: a value, or a refusal.
type Grant[V any] struct {
	Value   V
	Asked   time.Time
	Expires time.Time
	Refused string // by whom, and how; empty: it is granted
}

// Service says what is exchanged, and where.
type Service[K comparable, V any] struct {
	Name    string // in errors
	Refusal string // what a client is told of one
	// Ask makes one exchange. An error is worth another attempt, after at least wait.
	Ask func(ctx context.Context, given K) (g Grant[V], wait time.Duration, err error)

	Kind   string         // of what a fleet shares
	Key    func(K) string // what a fleet knows a grant by
	Encode func(V) []byte
	Decode func([]byte) (V, bool)
}

// Options of a Keeper. The zero value is suitable for production.
type Options struct {
	Now func() time.Time // nil: time.Now
	// Exchanged is called when an exchange has ended: Granted, Refused or
	// Failed, the last one for each attempt. It may be nil.
	Exchanged func(outcome string)
	Shared    *shared.State // with whom grants are shared; nil: with nobody
}

// Keeper is safe for concurrent use. Make it with New.
type Keeper[K comparable, V any] struct {
	service Service[K, V]
	now     func() time.Time
	told    func(outcome string)
	shared  *shared.State
	grants  *cache.Cache[K, Grant[V]]
	renewed *cache.Cache[K, renewal[V]]
}

// renewal is what came of an exchange for something else than there is.
type renewal[V any] struct {
	begun time.Time
	grant Grant[V]
	err   error
}

// New makes a Keeper of what a service grants.
func New[K comparable, V any](s Service[K, V], o Options) *Keeper[K, V] {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Exchanged == nil {
		o.Exchanged = func(string) {}
	}
	k := &Keeper[K, V]{
		service: s, now: o.Now, told: o.Exchanged, shared: o.Shared,
		grants:  cache.New[K, Grant[V]](capacity, o.Now),
		renewed: cache.New[K, renewal[V]](capacity, o.Now),
	}
	if o.Shared != nil {
		k.renewed.Trust(o.Shared.Generation, shared.Moment)
		k.grants.Trust(o.Shared.Generation, shared.Moment)
	}
	return k
}

// Get returns what is granted: something that was asked for after a point in time,
// which is zero if any will do. After four fifths of its life it is renewed in the
// background; whatever becomes of that shows only when the old one has expired.
//
// Errors are values of package s3err, AccessDenied if the service refuses and
// ServiceUnavailable if it can't be asked; or ctx's own.
func (k *Keeper[K, V]) Get(ctx context.Context, given K, after time.Time) (Grant[V], error) {
	g, err := k.kept(ctx, given)
	if err == nil && g.Asked.Before(after) {
		g, err = k.newer(ctx, given, after)
	}
	if err == nil {
		err = k.refusalOf(g)
	}
	if err != nil {
		return Grant[V]{}, err
	}
	return g, nil
}

// refusalOf is what a client is told, nil if there is a grant.
func (k *Keeper[K, V]) refusalOf(g Grant[V]) error {
	if g.Refused == "" {
		return nil
	}
	return s3err.AccessDenied.Msg(k.service.Refusal).Because(errors.New(g.Refused))
}

func (k *Keeper[K, V]) kept(ctx context.Context, given K) (Grant[V], error) {
	if g, ok := k.grants.Lookup(given); ok {
		return g, nil
	}
	load := func(ctx context.Context) (cache.Entry[Grant[V]], error) { return k.load(ctx, given) }
	if k.shared != nil {
		load = shared.Load(k.shared, k.item(given), k.codec(), load)
	}
	return k.grants.Get(ctx, given, load)
}

// newer returns a grant that was asked for after a point in time. Those of other
// replicas are not looked at: they were good enough for others, so they would come
// again and again. What there is goes on serving those for whom it is new enough.
func (k *Keeper[K, V]) newer(ctx context.Context, given K, after time.Time) (Grant[V], error) {
	renew := k.renewal(given, func(ctx context.Context) (cache.Entry[Grant[V]], error) { return k.load(ctx, given) })
	r, err := k.renewed.Get(ctx, given, renew)
	if err == nil && r.begun.Before(after) {
		r, err = k.renewed.Renew(ctx, given, renew)
	}
	if err != nil {
		return Grant[V]{}, err
	}
	return r.grant, r.err
}

// Reject asks for another grant after a store has refused this one. Whether the store
// did is not always certain, and a client may have caused it. So what there is serves
// others meanwhile, and until it ends if there is no other: the error says why. A grant that is
// only a few seconds old is kept, and exchanges are as far apart: another one would fare no
// better, and clients must not make the service busy.
func (k *Keeper[K, V]) Reject(ctx context.Context, given K, useless func(V) bool) error {
	g, ok := k.grants.Peek(given)
	if !ok || !useless(g.Value) || k.now().Sub(g.Asked) < KeepRefusal {
		return nil
	}
	r, err := k.renewed.Get(ctx, given, k.renewal(given, func(ctx context.Context) (cache.Entry[Grant[V]], error) {
		return k.replace(ctx, given, useless)
	}))
	if err != nil {
		return err
	}
	return r.err
}

// renewal makes one load the result for all who want another grant within a few
// seconds, also when it fails.
func (k *Keeper[K, V]) renewal(given K, load cache.Load[Grant[V]]) cache.Load[renewal[V]] {
	return func(ctx context.Context) (cache.Entry[renewal[V]], error) {
		r := renewal[V]{begun: k.now()}
		r.grant, r.err = k.grants.Renew(ctx, given, load)
		if ctx.Err() != nil { // nobody waits
			return cache.Entry[renewal[V]]{}, ctx.Err()
		}
		if r.err == nil {
			r.err = k.refusalOf(r.grant)
		}
		return cache.Entry[renewal[V]]{Value: r, TTL: KeepRefusal}, nil
	}
}

// replace gets a grant in the place of one that is useless, for the fleet as well:
// what that has, unless it is the same, else by an exchange.
func (k *Keeper[K, V]) replace(ctx context.Context, given K, useless func(V) bool) (cache.Entry[Grant[V]], error) {
	if k.shared == nil {
		return k.load(ctx, given)
	}
	e, ok := shared.Find(ctx, k.shared, k.item(given), k.codec())
	if ok && e.Value.Refused == "" && !useless(e.Value.Value) {
		return e, nil
	}
	e, err := k.load(ctx, given)
	if err != nil || e.Value.Refused != "" {
		return e, err
	}
	shared.Discard(k.shared, k.item(given), k.codec(), func(g Grant[V]) bool { return useless(g.Value) })
	return shared.Load(k.shared, k.item(given), k.codec(), func(context.Context) (cache.Entry[Grant[V]], error) { return e, nil })(ctx)
}

func (k *Keeper[K, V]) load(ctx context.Context, given K) (cache.Entry[Grant[V]], error) {
	ctx, cancel := context.WithTimeout(ctx, longestLoad)
	defer cancel()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		g, wait, err := k.service.Ask(ctx, given)
		if err == nil {
			return k.granted(given, g)
		}
		k.told(Failed)
		if attempt == Attempts || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			cause := fmt.Errorf("%s, after %d attempts: %w", k.service.Name, attempt, err)
			return cache.Entry[Grant[V]]{}, cache.ForAll(s3err.ServiceUnavailable.Because(cause))
		}
		// Full jitter; otherwise many proxies that saw the same outage would
		// return at once.
		wait = max(wait, time.Duration(rand.Int64N(int64(pause))))
		pause *= 2
		select {
		case <-time.After(min(wait, longestPause)):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) { // nobody waits; past a deadline there is a last attempt, which fails
				return cache.Entry[Grant[V]]{}, ctx.Err()
			}
		}
	}
}

// granted is how long what the service said is kept. A refusal takes the place of no
// grant that the store still accepts.
func (k *Keeper[K, V]) granted(given K, g Grant[V]) (cache.Entry[Grant[V]], error) {
	if g.Refused == "" {
		k.told(Granted)
		ttl := g.Expires.Sub(k.now()) - min(expiryMargin, g.Expires.Sub(g.Asked)/2)
		return cache.Entry[Grant[V]]{Value: g, TTL: ttl, RefreshAfter: cache.Ahead(ttl)}, nil
	}
	k.told(Refused)
	if _, ok := k.grants.Peek(given); ok {
		return cache.Entry[Grant[V]]{}, k.refusalOf(g)
	}
	return cache.Entry[Grant[V]]{Value: g, TTL: KeepRefusal}, nil
}

// Stats says how useful the grants have been.
func (k *Keeper[K, V]) Stats() cache.Stats { return k.grants.Stats() }
