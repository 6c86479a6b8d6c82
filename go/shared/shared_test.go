package shared

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestManyWhoComeToManyReplicasAtOnceAskOnce(t *testing.T) {
	f := newFleet(t, newServer(t))
	f.says(func(string) (string, time.Duration, error) {
		time.Sleep(50 * time.Millisecond) // long enough for all to come
		return "yes", time.Hour, nil
	})
	var replicas []*replica
	for range 8 {
		replicas = append(replicas, f.replica())
	}
	var wait sync.WaitGroup
	for i := range 64 {
		wait.Go(func() {
			if v, err := replicas[i%8].get(t.Context(), "alice", "photos"); err != nil || v != "yes" {
				t.Errorf("got %q, %v", v, err)
			}
		})
	}
	wait.Wait()
	if n := f.asked("alice/photos"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestWhatIsNotKeptIsNotShared(t *testing.T) {
	f := newFleet(t, newServer(t))
	broken := errors.New("raised")
	for name, answer := range map[string]struct {
		ttl time.Duration
		err error
	}{"ttl 0": {}, "an exception": {time.Hour, broken}} {
		f.says(func(string) (string, time.Duration, error) { return "v", answer.ttl, answer.err })
		a, b := f.replica(), f.replica()
		for _, r := range []*replica{a, b, a} {
			if _, err := r.get(t.Context(), name, "b"); !errors.Is(err, answer.err) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := f.asked(name + "/b"); n != 3 {
			t.Errorf("%s: asked %d times for 3 requests", name, n)
		}
	}
}

func TestAReplicaThatHearsNothingUsesNothingThatItRemembers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	r := f.replica()
	v, err := r.get(t.Context(), "a", "b")
	must(t, v, err, "answer to a/b")
	s.signal(syscall.SIGSTOP)
	eventually(t, "the lease does not end", func() bool { return r.Generation() == 0 })
	f.changesItsMind()
	v, err = r.get(t.Context(), "a", "b")
	must(t, v, err, "new")
	v, err = r.get(t.Context(), "a", "b")
	must(t, v, err, "new")
	if n := f.asked("a/b"); n != 3 {
		t.Errorf("asked %d times: what it was told alone was kept", n)
	}
	s.signal(syscall.SIGCONT)
	eventually(t, "it does not come back", func() bool { return r.Generation() != 0 && !r.breaker.open() })
	for range 2 { // what the server has is as good as it was
		v, err = r.get(t.Context(), "a", "b")
		must(t, v, err, "answer to a/b")
	}
}

func TestAServerThatStartsEmptyForgetsNoRevocation(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	a, b := f.replica(), f.replica()
	for range 3 {
		if err := a.Revoke(t.Context(), Revocation{Token: ptr("nobody")}); err != nil {
			t.Fatal(err)
		}
	}
	v, err := b.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	before := a.Generation()
	s.kill()
	eventually(t, "the lease does not end", func() bool { return a.Generation() == 0 && b.Generation() == 0 })
	s.start()
	eventually(t, "they do not come back", func() bool { return a.Generation() > before && b.Generation() != 0 })
	eventually(t, "they are not in the same log", func() bool { return *a.at.Load() == *b.at.Load() })
	v, err = b.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	if n := f.asked("x/y"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestWhoeverCanWriteToTheServerGrantsNothing(t *testing.T) {
	s := newServer(t)
	f := newFleet(t, s)
	r := f.replica()
	for _, bucket := range []string{"mine", "theirs"} {
		v, err := r.get(t.Context(), "a", bucket)
		must(t, v, err, "answer to a/"+bucket)
	}
	log := r.at.Load().log
	mine, theirs := r.keys(log, itemOf("a", "mine")).value, r.keys(log, itemOf("a", "theirs")).value
	good, old, oldEpochs := s.command("HGET", mine, "sealed"), s.command("HGET", theirs, "sealed"), s.command("HGET", theirs, "epochs")
	if err := r.Revoke(t.Context(), Revocation{Token: ptr("a")}); err != nil {
		t.Fatal(err)
	}
	f.says(func(string) (string, time.Duration, error) { return "no", time.Hour, nil })
	v, err := r.get(t.Context(), "a", "theirs")
	must(t, v, err, "no")
	epochs := s.command("HGET", theirs, "epochs")
	stranger := newFleet(t, s).replica(func(o *Options) { o.Keyring = keyring(t, "k2") })
	foreign := string(stranger.values.Seal(theirs+epochs, []byte(strings.Repeat("x", 100))))
	id := string(append([]byte{1, 2}, "k9"...)) + foreign[4:]
	for name, forged := range map[string]struct{ epochs, sealed string }{
		"of another name":                     {epochs, good},
		"of before the revocation":            {epochs, old},
		"of before, with its epochs":          {oldEpochs, old},
		"cut":                                 {epochs, old[:len(old)-1]},
		"garbage":                             {epochs, "garbage"},
		"one byte":                            {epochs, "\x01"},
		"a key's name that is longer than it": {epochs, "\x01\xff"},
		"sealed by another key":               {epochs, foreign},
		"sealed by a key that nobody has":     {epochs, id},
		"epochs that are none":                {"----", old},
	} {
		s.command("HSET", theirs, "epochs", forged.epochs, "sealed", forged.sealed)
		v, err := f.replica().get(t.Context(), "a", "theirs")
		if err != nil || v != "no" {
			t.Errorf("%s: got %q, %v", name, v, err)
		}
	}
}

func TestKeysAreChangedWithoutAGap(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newServer(t))
	steps := [][]string{{"k1"}, {"k1", "k2"}, {"k2", "k1"}, {"k2"}}
	for i, before := range steps[:3] {
		replicas := []*replica{f.replica(ring(t, before...)), f.replica(ring(t, steps[i+1]...))}
		for _, revoker := range replicas {
			token := fmt.Sprint(steps[i+1], revoker.id)
			for range 2 {
				for _, r := range replicas {
					v, err := r.get(t.Context(), token, "b")
					must(t, v, err, "answer to "+token+"/b")
				}
			}
			kept := f.asked(token + "/b")
			if err := revoker.Revoke(t.Context(), Revocation{Token: &token}); err != nil {
				t.Fatal(err)
			}
			for _, r := range replicas {
				v, err := r.get(t.Context(), token, "b")
				must(t, v, err, "answer to "+token+"/b")
			}
			if again := f.asked(token + "/b"); again != 2*kept {
				t.Errorf("%v: asked %d times before the revocation and %d after it", steps[i:i+2], kept, again-kept)
			}
		}
		for _, r := range replicas {
			r.Close()
		}
	}
}

func TestVersionsOfTheValidatorShareNoAnswers(t *testing.T) {
	f := newFleet(t, newServer(t))
	for _, version := range []string{"1", "2"} {
		r := f.replica(func(o *Options) { o.Version = version })
		v, err := r.get(t.Context(), "a", "b")
		must(t, v, err, "answer to a/b")
	}
	if n := f.asked("a/b"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestAReplicaThatDiesWhileItAsksHoldsNobodyUpForLong(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newServer(t))
	a, b := f.replica(), f.replica()
	dead := &asking[string]{s: a.State, who: newID(), generation: a.Generation(), keys: a.keys(a.at.Load().log, itemOf("x", "y"))}
	if r, err := dead.take(t.Context()); err != nil || r.what != asks {
		t.Fatal(r, err)
	}
	v, err := b.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
}
