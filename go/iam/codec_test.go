package iam

import (
	"testing"
	"time"

	"osp/go/secret"
)

func TestATokenOfAnotherReplicaAgesByItsOwnTime(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	e := New("https://iam.example/token", Options{Now: func() time.Time { return now }})
	g := grant{token: secret.New("t"), asked: now, expires: now.Add(time.Hour)}
	b := e.codec().Encode(g)
	now = now.Add(24 * time.Hour) // by the clock of whoever reads it
	got, ok := e.codec().Decode(b, time.Minute)
	if !ok || got.token != g.token || now.Sub(got.asked) != time.Minute || got.expires.Sub(now) != 59*time.Minute {
		t.Errorf("got %v, %v", got, ok)
	}
	if _, ok := e.codec().Decode([]byte("{"), 0); ok {
		t.Error("half an object is a token")
	}
}
