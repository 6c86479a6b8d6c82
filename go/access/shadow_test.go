package access

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"
	"osp/go/shared"
)

// compared are the outcomes that a shadow has told of.
type compared struct {
	mu   sync.Mutex
	list []Comparison
}

func (c *compared) seen(one Comparison) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, one)
}

func (c *compared) outcomes() (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.list {
		names = append(names, one.Outcome)
	}
	return names
}

// shadowed makes a Checker with a shadow, which ends with the test.
func shadowed(t *testing.T, owner callbacks.Set, sample float64) (*Checker, *compared) {
	seen := &compared{}
	shadow := NewShadow(owner, Options{Capacity: 10}, sample, seen.seen)
	t.Cleanup(shadow.Close)
	return New(owner, Options{Capacity: 10, Shadow: shadow}), seen
}

func saying(f func(*callbacks.Request) (callbacks.Decision, error)) callbacks.Callback[*callbacks.Request, callbacks.Decision] {
	return func(_ context.Context, r *callbacks.Request) (callbacks.Decision, error) { return f(r) }
}

func TestTheShadowIsComparedAndDecidesNothing(t *testing.T) {
	yes, no := always(callbacks.Decision{Allow: true}), always(callbacks.Decision{Reason: "not you"})
	raises := func(*callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{}, errors.New("raised")
	}
	panics := func(*callbacks.Request) (callbacks.Decision, error) { panic("oh") }
	for name, c := range map[string]struct {
		now, shadow             func(*callbacks.Request) (callbacks.Decision, error)
		policy, own, shadowRule string
		allowed                 bool
		outcome                 string
	}{
		"both allow":                          {now: yes, shadow: yes, allowed: true, outcome: Agreed},
		"both refuse":                         {now: no, shadow: no, outcome: Agreed},
		"it would refuse":                     {now: yes, shadow: no, allowed: true, outcome: WouldRefuse},
		"it would allow":                      {now: no, shadow: yes, outcome: WouldAllow},
		"it raises":                           {now: yes, shadow: raises, allowed: true, outcome: Failed},
		"it panics":                           {now: yes, shadow: panics, allowed: true, outcome: Failed},
		"nothing was decided":                 {now: raises, shadow: yes},
		"a signature is enough now":           {shadow: no, allowed: true, outcome: WouldRefuse},
		"a policy would take the place":       {now: yes, shadowRule: denyReads, allowed: true, outcome: WouldRefuse},
		"of which nothing allows":             {now: yes, shadowRule: `{"Effect": "Allow", "Action": "s3:Put*", "Resource": "*"}`, allowed: true, outcome: WouldRefuse},
		"or which allows":                     {now: no, shadowRule: allowReads, outcome: WouldAllow},
		"another policy":                      {policy: allowReads, shadowRule: denyReads, allowed: true, outcome: WouldRefuse},
		"a policy and a validator":            {now: yes, shadow: no, shadowRule: allowReads, allowed: true, outcome: WouldRefuse},
		"that of the entry holds for both":    {now: yes, own: denyReads, shadowRule: allowReads, outcome: Agreed},
		"without other rules it is not asked": {now: yes, policy: allowReads, allowed: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				owner := callbacks.Set{ValidatorSeesRequest: true, ShadowValidatorSeesRequest: true}
				if c.now != nil {
					owner.Validator = saying(c.now)
				}
				if c.shadow != nil {
					owner.ShadowValidator = saying(c.shadow)
				}
				q := About(alice, wanted(t, "GET", "/photos/k", nil), &Origin{}, Terms{TTL: time.Hour})
				if c.policy != "" {
					q.Policies[0] = by(t, c.policy)
				}
				if c.own != "" {
					q.Policies[1] = by(t, c.own)
				}
				if c.shadowRule != "" {
					q.Shadow = by(t, c.shadowRule)
				}
				checker, seen := shadowed(t, owner, 1)
				d := checker.Check(t.Context(), &q)
				synctest.Wait()
				if got := strings.Join(seen.outcomes(), " "); d.Allowed != c.allowed || got != c.outcome {
					t.Errorf("%v; the shadow: %s", d, got)
				}
			})
		})
	}
}

// With a shadow that never answers, whoever asks gets the answer as fast, and what does
// not fit is counted.
func TestNobodyWaitsForTheShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		owner := callbacks.Set{
			Validator: saying(always(callbacks.Decision{Allow: true})), ShadowValidatorSeesRequest: true,
			ShadowValidator: saying(func(*callbacks.Request) (callbacks.Decision, error) {
				<-release
				return callbacks.Decision{Allow: true}, nil
			}),
		}
		c, seen := shadowed(t, owner, 1)
		begun := time.Now() // of a clock that stands still unless somebody waits
		for range shadowsAtATime + shadowsWaiting + 10 {
			q := About(alice, wanted(t, "GET", "/photos/k", nil), &Origin{}, Terms{}) // a ttl of 0: each is asked about itself
			if !c.Check(t.Context(), &q).Allowed {
				t.Fatal("refused")
			}
			synctest.Wait()
		}
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("waited for %v", waited)
		}
		if got := seen.outcomes(); len(got) != 10 || got[0] != Dropped {
			t.Errorf("%d outcomes: %v", len(got), got)
		}
		close(release)
		synctest.Wait()
		if got := seen.outcomes(); len(got) != shadowsAtATime+shadowsWaiting+10 {
			t.Errorf("%d outcomes in the end", len(got))
		}
	})
}

// Whoever sends long heads fills no memory, however slow the shadow is: what has to wait is bounded by
// its bytes as well.
func TestTheShadowHoldsLittleMemory(t *testing.T) {
	const head, many = 64 << 10, shadowsAtATime + shadowsWaiting
	release := make(chan struct{})
	defer close(release)
	owner := callbacks.Set{
		Validator: saying(always(callbacks.Decision{Allow: true})), ShadowValidatorSeesRequest: true,
		ShadowValidator: saying(func(*callbacks.Request) (callbacks.Decision, error) {
			<-release
			return callbacks.Decision{Allow: true}, nil
		}),
	}
	c, seen := shadowed(t, owner, 1)
	before := inUse()
	for range many {
		text := string(make([]byte, head))
		from := Origin{Size: head, Field: func(string) (string, bool) { return text, true }}
		q := About(alice, wanted(t, "GET", "/photos/k", nil), &from, Terms{})
		c.Check(t.Context(), &q)
	}
	if grown := inUse() - before; grown > 2*shadowsHold {
		t.Errorf("%d KiB are held", grown>>10)
	}
	if got, most := many-len(seen.outcomes()), shadowsHold/head; got > most || got < most/2 {
		t.Errorf("%d wait, of %d that there is room for", got, most)
	}
}

// inUse is how many bytes of the heap can be reached.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What was decided takes no room any more.
func TestTheShadowsRoomIsFreedByDecisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := callbacks.Set{ShadowValidator: saying(always(callbacks.Decision{Allow: true}))}
		c, seen := shadowed(t, set, 1)
		for range 100 {
			q := About(alice, wanted(t, "GET", "/photos/k", nil), &Origin{Size: shadowsHold / 2}, Terms{})
			c.Check(t.Context(), &q)
			synctest.Wait()
		}
		if got := seen.outcomes(); len(got) != 100 || slices.Contains(got, Dropped) {
			t.Errorf("%d outcomes: %v", len(got), got)
		}
	})
}

func TestTheShadowRemembersAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shadow := &owner{decide: always(callbacks.Decision{Allow: true})}
		set := callbacks.Set{Validator: saying(always(callbacks.Decision{Allow: true})), ShadowValidator: saying(func(r *callbacks.Request) (callbacks.Decision, error) {
			shadow.calls.Add(1)
			return shadow.decide(r)
		})}
		c, seen := shadowed(t, set, 1)
		for range 3 {
			c.Check(t.Context(), about(full(), time.Hour))
			synctest.Wait()
		}
		c.Forget(shared.Revocation{})
		c.Check(t.Context(), about(full(), time.Hour))
		synctest.Wait()
		if n := shadow.calls.Load(); n != 2 || len(seen.outcomes()) != 4 {
			t.Errorf("asked %d times, %v", n, seen.outcomes())
		}
	})
}

func TestOnlyASampleIsCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := callbacks.Set{ShadowValidator: saying(always(callbacks.Decision{Allow: true}))}
		const many = 1000
		for sample, bounds := range map[float64][2]int{0: {0, 0}, 0.5: {many / 4, many * 3 / 4}, 1: {many, many}} {
			c, seen := shadowed(t, set, sample)
			for range many {
				c.Check(t.Context(), about(full(), time.Hour))
			}
			synctest.Wait()
			if n := len(seen.outcomes()); n < bounds[0] || n > bounds[1] {
				t.Errorf("of %d with a sample of %v: %d", many, sample, n)
			}
		}
	})
}
