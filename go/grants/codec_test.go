package grants

import (
	"testing"
	"time"
)

func TestAGrantOfAnotherReplicaAgesByItsOwnTime(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	k := keeper(nil, Options{Now: func() time.Time { return now }})
	g := Grant[string]{Value: "t", Asked: now, Expires: now.Add(time.Hour)}
	b := k.codec().Encode(g)
	now = now.Add(24 * time.Hour) // by the clock of whoever reads it
	got, ok := k.codec().Decode(b, time.Minute)
	if !ok || got.Value != g.Value || now.Sub(got.Asked) != time.Minute || got.Expires.Sub(now) != 59*time.Minute {
		t.Errorf("got %v, %v", got, ok)
	}
	for _, bad := range []string{"{", "{}", `{"l": 1000}`} {
		if _, ok := k.codec().Decode([]byte(bad), 0); ok {
			t.Errorf("%s is a grant", bad)
		}
	}
}

func TestARefusalOfAnotherReplicaIsOne(t *testing.T) {
	k := keeper(nil, Options{})
	got, ok := k.codec().Decode(k.codec().Encode(Grant[string]{Value: "t", Refused: "by X"}), 0)
	if !ok || got.Refused != "by X" || got.Value != "" {
		t.Errorf("got %v, %v", got, ok)
	}
}
