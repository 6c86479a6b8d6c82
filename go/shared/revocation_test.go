package shared

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"
)

func TestWhatSeveralRevocationsAreAbout(t *testing.T) {
	for name, c := range map[string]struct {
		list []Revocation
		want string // of a/1, a/2, b/1, b/2
	}{
		"none":         {nil, "false false false false"},
		"all":          {[]Revocation{{}}, "true true true true"},
		"a token":      {[]Revocation{{Token: ptr("a")}}, "true true false false"},
		"a bucket":     {[]Revocation{{Bucket: ptr("1")}}, "true false true false"},
		"both":         {[]Revocation{{Token: ptr("b"), Bucket: ptr("2")}}, "false false false true"},
		"several":      {[]Revocation{{Token: ptr("b"), Bucket: ptr("2")}, {Token: ptr("c")}, {Bucket: ptr("1")}}, "true false true true"},
		"a role":       {[]Revocation{{Role: ptr("a")}, {Subject: ptr("b")}}, "false false false false"},
		"an empty one": {[]Revocation{{Token: ptr("")}}, "false false false false"},
	} {
		revoked := RevokedBy(c.list)
		var got []bool
		for _, token := range []string{"a", "b"} {
			for _, bucket := range []string{"1", "2"} {
				got = append(got, revoked.About(sha256.Sum256([]byte(token)), bucket))
			}
		}
		if fmt.Sprint(got) != "["+c.want+"]" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAHeartbeatForgetsWhatManyRevocationsAreAboutAtOnce(t *testing.T) {
	f := newFleet(t, newServer(t))
	var forgotten []int
	a, b := f.replica(), f.replica(func(o *Options) {
		o.Forget = func(list []Revocation) { forgotten = append(forgotten, len(list)) }
	})
	b.fallSilent()
	for i := range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_ = a.Revoke(ctx, Revocation{Token: ptr(fmt.Sprint(i))}) // it is not confirmed
		cancel()
	}
	if err := b.beat(t.Context()); err != nil || fmt.Sprint(forgotten) != "[50]" {
		t.Errorf("forgot %v, %v", forgotten, err)
	}
}
