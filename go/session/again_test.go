package session

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestWhatIsMadeFromASessionEndsByWhateverEndsThat(t *testing.T) {
	now := noon
	i := New(ringOf(t, "k1"), func() time.Time { return now })
	s := alice()
	s.Since, s.Caller, s.Named = noon.Add(-time.Second), "key", true
	var from []string
	for {
		keys := issue(t, i, s)
		held, _, err := i.Open(keys.AccessKey, keys.Token.Reveal())
		if err != nil || !held.Issued.Equal(now) || !held.Since.Equal(noon.Add(-time.Second)) || !slices.Equal(held.From, from) || held.Caller != "key" || !held.Named {
			t.Fatalf("got %+v, %v", held, err)
		}
		before := held.Digest()
		if s, err = held.Again(); err != nil {
			break
		}
		if held.Digest() != before || s.Digest() == before || s.AccessKey != "" {
			t.Fatalf("%+v has changed, or made itself", held)
		}
		from = append(from, keys.AccessKey)
		now = now.Add(time.Minute)
	}
	if _, err := (&Session{From: from}).Again(); !errors.Is(err, ErrFrom) || len(from) != mostFrom {
		t.Errorf("%v after %d", err, len(from))
	}
}

func TestNobodyIsProvenLaterThanTheSessionIsIssued(t *testing.T) {
	i, s := New(ringOf(t, "k1"), at(noon)), alice()
	s.Since = noon.Add(time.Minute)
	keys := issue(t, i, s)
	if held, _, err := i.Open(keys.AccessKey, keys.Token.Reveal()); err != nil || !held.Since.Equal(noon) {
		t.Errorf("got %+v, %v", held, err)
	}
}
