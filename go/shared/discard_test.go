package shared

import (
	"fmt"
	"testing"
	"time"
)

// All replicas have the old credentials when a store stops to take them.
func TestOfManyWhoDiscardAnAnswerOneAsks(t *testing.T) {
	f := newFleet(t, newServer(t))
	var all []*replica
	for range 8 {
		r := f.replica()
		v, err := r.get(t.Context(), "x", "y")
		must(t, v, err, "answer to x/y")
		all = append(all, r)
	}
	f.says(func(string) (string, time.Duration, error) {
		return fmt.Sprint("answer ", f.calls["x/y"]), time.Hour, nil
	})
	refused := func(v string) bool { return v == "answer to x/y" }
	for _, r := range all {
		r.cache.DeleteIf("x/y", refused)
		Discard(r.State, itemOf("x", "y"), plain, refused)
		v, err := r.get(t.Context(), "x", "y")
		must(t, v, err, "answer 2")
	}
	// What nobody refuses stays.
	Discard(all[0].State, itemOf("x", "y"), plain, refused)
	v, err := f.replica().get(t.Context(), "x", "y")
	must(t, v, err, "answer 2")
}
