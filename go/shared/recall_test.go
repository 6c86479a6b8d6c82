package shared

import (
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestEndsThatAServerHasLostAreRecordedAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	a := f.replica()
	s.command("SAVE")
	moment := time.Now().Truncate(time.Microsecond)
	revocations := []Revocation{{Token: ptr("alice"), At: moment}, {Role: ptr("reader"), At: moment.Add(time.Microsecond)}}
	for _, one := range append(revocations, Revocation{Bucket: ptr("photos"), At: moment}, Revocation{Token: ptr("bob"), KeepSessions: true, At: moment}) {
		if err := a.Revoke(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	a.fallSilent()
	s.kill()
	s.start() // as it was before
	heard := make(chan Revocation, 10)
	b := f.replica(func(o *Options) {
		o.Forget = func(list []Revocation) {
			for _, one := range list {
				heard <- one
			}
		}
	})
	for _, one := range revocations {
		if at, err := b.EndedAt(t.Context(), one.Ends()); err != nil || !at.Before(moment) {
			t.Fatalf("nothing was lost: %v, %v", at, err)
		}
	}
	a.ended.Go(func() { a.live(t.Context()) })
	a.ended.Go(func() { a.remind(t.Context()) })
	told := map[EndOf]time.Time{}
	for range revocations {
		select {
		case again := <-heard:
			told[again.Ends()[0]] = again.At
		case <-time.After(20 * time.Second):
			t.Fatal("nobody has recorded it again")
		}
	}
	for _, one := range revocations {
		if at := told[one.Ends()[0]]; !at.Equal(one.At) {
			t.Errorf("%v: a replica that had begun meanwhile heard of %v", one.Ends(), at)
		}
		for _, r := range []*replica{b, f.replica()} {
			if at, err := r.EndedAt(t.Context(), one.Ends()); err != nil || !at.Equal(one.At) {
				t.Errorf("%v: ended at %v, %v", one.Ends(), at, err)
			}
		}
	}
	if lost, err := a.lost(t.Context(), revocations); err != nil || len(lost) > 0 {
		t.Errorf("it is still not known: %v, %v", lost, err)
	}
	if len(heard) > 0 {
		t.Errorf("heard of something that was not lost: %+v", <-heard)
	}
}

func TestAServerThatHasForgottenAllNeedsTheEndsOfIdentityTokens(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := newFleet(t, s).replica()
	now := time.Now()
	of := []Revocation{{Subject: ptr("alice"), At: now}, {Role: ptr("reader"), Subject: ptr("alice"), At: now}, {Token: ptr("people/alice"), At: now}}
	all := append(of, Revocation{Role: ptr("reader"), At: now}, Revocation{At: now})
	for _, one := range all {
		if err := a.Revoke(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	log := a.at.Load().log
	s.command("FLUSHALL")
	inNewLog(t, log, a)
	if lost, err := a.lost(t.Context(), all); err != nil || !reflect.DeepEqual(lost, of) {
		t.Errorf("of what it has forgotten it lacks %v, %v", lost, err)
	}
}

func TestAnEndThatIsRecordedLateReplacesNoLaterOne(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := newFleet(t, s).replica()
	late := Revocation{Role: ptr("reader"), At: time.Now().Truncate(time.Microsecond)}
	early := late
	early.At = late.At.Add(-time.Second)
	for _, one := range []Revocation{early, late, early} {
		if err := a.endSessions(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	if at, err := a.SaidAt(t.Context(), late.Ends()); err != nil || !at.Equal(late.At) {
		t.Errorf("%v before the later one: %v", late.At.Sub(at), err)
	}
	key := a.endKeys(late.Ends())[0]
	s.command("DEL", key)
	s.command("HSET", key, "a", "b") // by somebody else
	if err := a.endSessions(t.Context(), late); err != nil {
		t.Error(err)
	}
	if at, err := a.SaidAt(t.Context(), late.Ends()); err != nil || !at.Equal(late.At) {
		t.Errorf("what stood there is no moment, and yet: %v, %v", at, err)
	}
}

func TestAReplicaRecallsTheLatestEnds(t *testing.T) {
	var r recall
	begun := time.Now()
	of := func(i int) Revocation {
		return Revocation{Subject: ptr(strconv.Itoa(i)), At: begun.Add(time.Duration(i) * time.Microsecond)}
	}
	for i := range mostRecalled + 1 {
		r.note([]Revocation{of(i + 1)})
	}
	kept := r.since(begun)
	if len(kept) != mostRecalled*3/4 || *kept[len(kept)-1].Subject != strconv.Itoa(mostRecalled+1) || !slices.IsSortedFunc(kept, func(a, b Revocation) int { return a.At.Compare(b.At) }) {
		t.Errorf("%d are kept", len(kept))
	}
	old := of(mostRecalled + 1)
	old.At = begun
	r.note([]Revocation{old})
	if last := r.since(begun); *last[len(last)-1].Subject != *old.Subject {
		t.Error("an older end has replaced a later one")
	}
	if late := r.since(kept[len(kept)-1].At); len(late) > 0 {
		t.Errorf("%d are later than the latest", len(late))
	}
}
