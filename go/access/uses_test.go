package access

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"osp/go/s3err"
)

func TestAPresignedURLCanBeUsedAsOftenAsAllowed(t *testing.T) {
	u := NewUses(3, UsesOptions{})
	end := time.Now().Add(time.Hour)
	for i := range 5 {
		err := u.Count(t.Context(), "a", end)
		if i < 3 && err != nil || i >= 3 && !errors.Is(err, s3err.AccessDenied) {
			t.Errorf("use %d: %v", i+1, err)
		}
	}
	if err := u.Count(t.Context(), "b", end); err != nil {
		t.Errorf("another URL: %v", err)
	}
}

func TestWithoutALimitNothingIsCounted(t *testing.T) {
	u := NewUses(0, UsesOptions{})
	for range 10 {
		if err := u.Count(t.Context(), "a", time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if u.Len() != 0 {
		t.Errorf("%d URLs are remembered", u.Len())
	}
}

func TestExpiredURLsAreForgotten(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	u := NewUses(1, UsesOptions{Now: func() time.Time { return now }})
	for i := range 1000 {
		now = now.Add(time.Second)
		if err := u.Count(t.Context(), fmt.Sprint(i), now.Add(10*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if u.Len() > 20 {
		t.Errorf("%d URLs are remembered, though all but 10 have expired", u.Len())
	}
}
