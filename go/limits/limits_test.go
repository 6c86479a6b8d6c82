package limits

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"osp/go/s3op"
)

// clock is a time that stands still until it is moved.
type clock struct{ now atomic.Int64 }

func (c *clock) time() time.Duration   { return time.Duration(c.now.Load()) }
func (c *clock) move(by time.Duration) { c.now.Add(int64(by)) }

// world is a Table in virtual time.
type world struct {
	*Table
	clock *clock
	date  time.Time     // of a process that is alone
	off   time.Duration // how far a replica's clock is ahead of the fleet's
}

func newWorld() *world {
	w := &world{clock: &clock{}, date: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.clock.move(time.Hour)
	w.Table = New(Options{
		Clock: w.clock.time, Wall: func() time.Time { return w.date },
	})
	return w
}

// request is admitted altogether, or the refusal is returned.
func (w *world) request(rules *Rules, who Subject, class string) (*Ticket, *Refusal) {
	k := w.Begin(rules, nil, who)
	err := k.AdmitOwn()
	if err == nil {
		var known bool
		if known, err = k.AdmitCommon(class); !known {
			return nil, &Refusal{Rule: "unknown"}
		}
	}
	var r *Refusal
	if errors.As(err, &r) {
		return nil, r
	}
	return k, nil
}

var alice = Subject{Token: "alice", Entry: "data"}

func perSecond(n float64, burst int64) *Rule {
	return &Rule{Measures: Measures{Requests: NewRate(n, burst)}}
}

// model is what a rate promises, said as plainly as possible: a bucket of burst
// requests that fills again, in exact arithmetic of thousandths of a nanosecond.
type model struct {
	full, have, milli int64 // in requests times a second
	at                time.Duration
}

func newModel(r Rate, now time.Duration) *model {
	full := r.Burst * int64(time.Second) * 1000
	return &model{full: full, have: full, milli: r.Milli, at: now}
}

func (m *model) take(now time.Duration) bool {
	const one = int64(time.Second) * 1000
	if passed := now - m.at; passed > 0 {
		m.have = min(m.full, m.have+int64(passed)*m.milli)
		m.at = now
	}
	if m.have < one {
		return false
	}
	m.have -= one
	return true
}

func TestWhatAnotherRuleLetOneTakeIsNoMoreThanTheBurstOfTheNewOne(t *testing.T) {
	var m meter
	slow, fast := NewRate(0.01, 20), NewRate(1000, 20)
	for range 20 {
		if _, _, ok := m.take(&slow, 0); !ok {
			t.Fatal("the burst was refused")
		}
	}
	if wait := m.wouldWait(&fast, 0); wait > time.Millisecond {
		t.Errorf("it would have to wait %v", wait)
	}
	if _, _, ok := m.take(&fast, time.Millisecond); !ok {
		t.Error("a unit that is worth a millisecond was refused after one")
	}
}

func TestARateIsThatOfItsModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		rate := newRate(1+random.Int64N(1_000_000), 1+random.Int64N(50))
		var m meter
		now := time.Hour
		plain := newModel(rate, now)
		cost := rate.cost(1)
		for step := range 400 {
			// Mostly about as fast as allowed; at the very edges a nanosecond that is rounded may decide.
			now += time.Duration(random.Int64N(2*int64(cost) + 1))
			if random.IntN(50) == 0 {
				now += time.Duration(random.Int64N(60)) * cost
			}
			before := *plain
			_, wait, ok := m.take(&rate, now)
			if want := plain.take(now); ok == want {
				continue
			}
			const edge = 1000 // ns in 400 steps, each of which is rounded
			early, late := before, before
			if early.take(now-edge) == late.take(now+edge) {
				t.Fatalf("%+v, step %d: %v, want %v; wait %v", rate, step, ok, !ok, wait)
			}
			if plain.have = before.have; ok { // it goes on as the meter has decided
				plain.have -= int64(time.Second) * 1000
			}
		}
	}
}

func TestWhoWaitsAsLongAsItIsToldIsAdmitted(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		rate, now := newRate(1+random.Int64N(10_000_000), 1+random.Int64N(5)), time.Hour
		var m meter
		for range 20 {
			_, wait, ok := m.take(&rate, now)
			if ok {
				continue
			}
			if _, _, early := m.take(&rate, now+wait-1); early {
				t.Fatalf("%+v: admitted before %v", rate, wait)
			}
			now += wait
			if _, _, ok := m.take(&rate, now); !ok {
				t.Fatalf("%+v: refused after %v", rate, wait)
			}
		}
	}
}

func FuzzCost(f *testing.F) {
	f.Add(int64(1000), int64(1))
	f.Fuzz(func(t *testing.T, milli, n int64) {
		if milli < 1 || n < 0 {
			t.Skip()
		}
		rate := newRate(milli, 1)
		cost := rate.cost(n)
		if cost < 0 || cost > longest {
			t.Fatalf("%d units of %d cost %v", n, milli, cost)
		}
	})
}

func TestEachScopeHasAShareOfItsOwn(t *testing.T) {
	one := perSecond(1, 1)
	bob, other := Subject{Token: "bob", Entry: "data"}, Subject{Token: "alice", Entry: "other"}
	nobody, far := Subject{Entry: "data", Address: "192.0.2.1"}, Subject{Entry: "data", Address: "192.0.2.2"}
	for name, c := range map[string]struct {
		rules         Rules
		first         Subject
		same, apart   []Subject
		nameOfRefusal string
	}{
		"all":              {Rules{All: one}, alice, []Subject{alice, bob, other, nobody}, nil, "all"},
		"entry":            {Rules{Entry: one}, alice, []Subject{bob, nobody}, []Subject{other}, "entry"},
		"token":            {Rules{Token: one}, alice, []Subject{alice, other}, []Subject{bob, nobody}, "token"},
		"token_and_bucket": {Rules{TokenAndBucket: one}, alice, []Subject{alice}, []Subject{bob, other, nobody}, "token_and_bucket"},
		"anonymous":        {Rules{Anonymous: one}, nobody, []Subject{nobody, far}, []Subject{alice}, "anonymous"},
		"address":          {Rules{Address: one}, nobody, []Subject{nobody}, []Subject{far, alice}, "address"},
	} {
		w := newWorld()
		if _, r := w.request(&c.rules, c.first, ""); r != nil {
			t.Fatalf("%s: the first: %v", name, r)
		}
		for _, who := range c.same {
			if _, r := w.request(&c.rules, who, ""); r == nil || r.Rule != c.nameOfRefusal || r.Measure != Requests || r.Wait != time.Second {
				t.Errorf("%s: %+v: %+v", name, who, r)
			}
		}
		for _, who := range c.apart {
			if _, r := w.request(&c.rules, who, ""); r != nil {
				t.Errorf("%s: %+v: %v", name, who, r)
			}
		}
	}
}

func TestAClassOfOperationsHasAShareWithinARule(t *testing.T) {
	w, rule := newWorld(), perSecond(1, 3)
	rule.Of[s3op.Write] = Measures{Requests: NewRate(1, 1)}
	write := alice
	write.Operation = s3op.Write
	rules := &Rules{Token: rule}
	if _, r := w.request(rules, write, ""); r != nil {
		t.Fatal(r)
	}
	if _, r := w.request(rules, write, ""); r == nil || r.Rule != "token.write" {
		t.Errorf("%+v", r)
	}
	for range 2 { // the refused write has taken nothing
		if _, r := w.request(rules, alice, ""); r != nil {
			t.Error(r)
		}
	}
	if _, r := w.request(rules, alice, ""); r == nil || r.Rule != "token" {
		t.Errorf("%+v", r)
	}
}

func TestTheClassThatTheValidatorChoseTakesThePlaceOfTheTokensRule(t *testing.T) {
	w := newWorld()
	rules := &Rules{Token: perSecond(1, 1), Classes: map[string]*Rule{"bulk": perSecond(1, 2)}}
	for _, c := range []struct{ class, rule string }{{"bulk", ""}, {"bulk", ""}, {"bulk", "classes.bulk"}, {"", ""}, {"", "token"}, {"other", "unknown"}} {
		_, r := w.request(rules, alice, c.class)
		if r == nil && c.rule != "" || r != nil && r.Rule != c.rule {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}

func TestAnEntrysOwnLimitsTakeThePlaceOfThoseForAll(t *testing.T) {
	w, rules := newWorld(), &Rules{Entry: perSecond(1, 1), TokenAndBucket: perSecond(1, 1)}
	own := &EntryRules{All: perSecond(1, 3), Token: perSecond(1, 2)}
	admitted := 0
	for _, token := range []string{"alice", "alice", "alice", "bob", "bob"} {
		k := w.Begin(rules, own, Subject{Token: token, Entry: "data"})
		if k.AdmitOwn() != nil {
			continue
		}
		if _, err := k.AdmitCommon(""); err == nil {
			admitted++
		}
	}
	if admitted != 3 { // two of alice's, and one of bob's
		t.Errorf("%d", admitted)
	}
}

func TestRequestsAtATimeAreLimitedUntilTheyEnd(t *testing.T) {
	w, rules := newWorld(), &Rules{Token: &Rule{Measures: Measures{Concurrent: 1}}, All: perSecond(1, 2)}
	first, r := w.request(rules, alice, "")
	if r != nil {
		t.Fatal(r)
	}
	if _, r := w.request(rules, alice, ""); r == nil || r.Measure != Concurrent {
		t.Errorf("%+v", r)
	}
	first.End(0, 0)
	if _, r = w.request(rules, alice, ""); r != nil {
		t.Error(r)
	}
	w.clock.move(time.Hour)
	if _, r = w.request(&Rules{Token: rules.Token}, alice, ""); r == nil {
		t.Error("time alone ended a request")
	}
}

func TestObjectsAreLimitedByWhatTheyDeclare(t *testing.T) {
	w, rules := newWorld(), &Rules{All: &Rule{Measures: Measures{Largest: 100}}}
	who := alice
	for size, refused := range map[int64]bool{0: false, 100: false, 101: true} {
		who.Size = size
		_, r := w.request(rules, who, "")
		if (r != nil) != refused || refused && (r.Measure != LargestObject || r.Limit != 100 || r.Proposed != 101) {
			t.Errorf("%d: %+v", size, r)
		}
	}
	k, _ := w.request(rules, alice, "")
	if !k.Sized() || k.CheckSize(100) != nil || k.CheckSize(101) == nil {
		t.Error("a sum is checked otherwise")
	}
}

func TestNobodyIsAskedAboutWhatIsUsedUpAnyway(t *testing.T) {
	w := newWorld()
	for name, c := range map[string]struct {
		measures Measures
		use      func(k *Ticket)
	}{
		"requests":         {Measures{Requests: NewRate(1, 1)}, nil},
		"concurrent":       {Measures{Concurrent: 1}, func(*Ticket) {}},
		"bytes_out":        {Measures{Out: NewRate(1<<20, 1)}, func(k *Ticket) { k.accounts[0].flows[Out].charge(4*Window, mostDebt, k.table.clock()) }},
		"largest_object":   {Measures{Largest: 1}, nil},
		"requests_per_day": {Measures{DayRequests: 1}, nil},
		"bytes_per_day":    {Measures{DayBytes: 5}, func(k *Ticket) { k.End(0, 5) }},
	} {
		rules := &Rules{Entry: &Rule{Measures: c.measures}}
		who := Subject{Token: "alice", Entry: name}
		k, r := w.request(rules, who, "")
		if r != nil {
			t.Fatal(r)
		}
		if c.use == nil {
			c.use = func(k *Ticket) { k.End(0, 0) }
		}
		c.use(k)
		who.Size = 2
		err := w.Begin(rules, nil, who).AdmitOwn()
		if !errors.As(err, &r) || r.Measure.String() != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADaysQuotaBeginsAnewAtMidnight(t *testing.T) {
	w, rules := newWorld(), &Rules{Token: &Rule{Measures: Measures{DayRequests: 2, DayBytes: 100}}}
	use := func(bytes int64) *Refusal {
		k, r := w.request(rules, alice, "")
		k.End(bytes, 0)
		return r
	}
	if r := use(60); r != nil {
		t.Fatal(r)
	}
	if r := use(0); r != nil {
		t.Fatal(r)
	}
	if r := use(0); r == nil || r.Measure != RequestsPerDay {
		t.Errorf("%+v", r)
	}
	w.date = w.date.Add(12 * time.Hour)
	if r := use(1000); r != nil { // what is under way is not cut off
		t.Fatal(r)
	}
	if r := use(0); r == nil || r.Measure != BytesPerDay {
		t.Errorf("%+v", r)
	}
}

func TestWithoutRulesThereIsNoTicket(t *testing.T) {
	var k *Ticket
	known, err := k.AdmitCommon("")
	if New(Options{}).Begin(nil, nil, alice) != nil || k.AdmitOwn() != nil || !known || err != nil || k.Limited(In) || k.Chunk(In, 7) != 7 || k.Move(t.Context(), In, 7) != nil {
		t.Error("there are limits")
	}
	k.End(1, 1)
}

func TestManyAtOnceGetWhatThereIs(t *testing.T) {
	w, rules := newWorld(), &Rules{Token: perSecond(1, 100), Entry: perSecond(1, 90)}
	var admitted atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 100 {
				if _, r := w.request(rules, alice, ""); r == nil {
					admitted.Add(1)
				}
			}
		})
	}
	wait.Wait()
	// What is given back was out of reach for others for a moment.
	if n := admitted.Load(); n > 90 || n < 80 {
		t.Errorf("%d of 90", n)
	}
}

func BenchmarkAdmit(b *testing.B) {
	fast := perSecond(1_000_000_000, 1_000_000)
	for name, rules := range map[string]*Rules{"token": {Token: fast}, "three": {Token: fast, TokenAndBucket: fast, All: fast}} {
		b.Run(name, func(b *testing.B) {
			table := New(Options{})
			b.ReportAllocs()
			for b.Loop() {
				k := table.Begin(rules, nil, alice)
				if k.AdmitOwn() != nil {
					b.Fatal("refused")
				}
				_, _ = k.AdmitCommon("")
				k.End(0, 1024)
			}
		})
	}
}
