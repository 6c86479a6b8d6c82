package shared

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func ring(t *testing.T, ids ...string) func(*Options) {
	return func(o *Options) { o.Keyring = keyring(t, ids...) }
}

// Steps of a change are skipped, or the one who revokes has nothing in common
// with the others.
func TestWhoeverRevokesReachesReplicasOfAnyKeyring(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ others, revoker []string }{
		{[]string{"k1"}, []string{"k2"}},
		{[]string{"k1", "k2"}, []string{"k2"}},
		{[]string{"k1"}, []string{"k2", "k1"}},
		{[]string{"k2", "k1"}, []string{"k1"}},
	} {
		t.Run(fmt.Sprint(c.others, c.revoker), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, newServer(t))
			a, b := f.replica(ring(t, c.others...)), f.replica(ring(t, c.others...))
			revoker := f.replica(ring(t, c.revoker...))
			for i := range 2 { // what is shared after a revocation is reached by the next one
				was := fmt.Sprint("answer ", i)
				f.says(func(string) (string, time.Duration, error) { return was, time.Hour, nil })
				for _, r := range []*replica{a, b} {
					v, err := r.get(t.Context(), "x", "y")
					must(t, v, err, was)
				}
				if n := f.asked("x/y"); n != i+1 {
					t.Errorf("asked %d times after %d revocations", n, i)
				}
				if err := revoker.Revoke(t.Context(), Revocation{Token: ptr("x")}); err != nil {
					t.Fatal(err)
				}
			}
			f.changesItsMind()
			for _, r := range []*replica{a, b, f.replica(ring(t, c.others...))} {
				v, err := r.get(t.Context(), "x", "y")
				must(t, v, err, "new")
			}
		})
	}
}

func TestARevocationLeavesOthersAnswersWhereAllHaveItsKeys(t *testing.T) {
	f := newFleet(t, newServer(t))
	var got []string
	for _, ids := range [][]string{{"k1", "k2"}, {"k2", "k1"}} {
		r := f.replica(ring(t, ids...))
		v, err := r.get(t.Context(), "other", "y")
		must(t, v, err, "answer to other/y")
		if err := r.Revoke(t.Context(), Revocation{Token: ptr("x")}); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(f.asked("other/y")))
		v, err = f.replica(ring(t, ids...)).get(t.Context(), "other", "y")
		must(t, v, err, "answer to other/y")
		got = append(got, fmt.Sprint(f.asked("other/y")))
	}
	if want := "[1 1 2 2]"; fmt.Sprint(got) != want { // once for each key that comes first
		t.Errorf("asked %v, want %s", got, want)
	}
}

func TestWhoeverJoinsReplicasOfAnotherKeyringIsToldOnce(t *testing.T) {
	f := newFleet(t, newServer(t))
	for _, c := range []struct {
		ids  []string
		want int
	}{{[]string{"k1"}, 0}, {[]string{"k1", "k2"}, 0}, {[]string{"k3"}, 1}} {
		var log strings.Builder
		r := f.replica(ring(t, c.ids...), func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		if _, err := r.adopt(t.Context(), beatTimeout); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if got := strings.Count(log.String(), "another keyring"); got != c.want {
			t.Errorf("%v is told %d times", c.ids, got)
		}
	}
}
