package creds

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/secret"
	"osp/go/shared"
	"osp/go/stores"
)

// sessions is a token service that numbers the sessions of the roles that it gives.
type sessions struct {
	given int
	after time.Time // as it was told last
	asked []stores.RoleHandle
}

func (s *sessions) Keys(_ context.Context, role stores.RoleHandle, after time.Time) (Credentials, error) {
	s.after, s.asked = after, append(s.asked, role)
	return Credentials{AccessKey: fmt.Sprint("ASIA", s.given), SecretKey: secret.New("s"), SessionToken: secret.New("t")}, nil
}

func (s *sessions) Reject(_ context.Context, _ stores.RoleHandle, used Credentials) error {
	if used.AccessKey == fmt.Sprint("ASIA", s.given) {
		s.given++
	}
	return nil
}

func assuming() *stores.Bucket {
	return &stores.Bucket{Name: "b", TTL: time.Hour, Role: stores.Role{ARN: "arn:aws:iam::1:role/lake"}.Handle()}
}

func TestAnEntryWithARoleAsksNobodyElse(t *testing.T) {
	o, s := &owner{}, &sessions{}
	b := assuming()
	c := mustFor(t, New(o.fetch, noBearer, s, Options{}), b)
	if c.AccessKey != "ASIA0" || c.SessionToken.Reveal() != "t" || o.calls != 0 || s.asked[0] != b.Role || !s.after.IsZero() {
		t.Errorf("got %+v after %d calls, of %+v", c, o.calls, s)
	}
}

func TestRefusedKeysOfARoleAreRenewed(t *testing.T) {
	s, b := &sessions{}, assuming()
	r := New(nil, noBearer, s, Options{})
	used := mustFor(t, r, b)
	for range 3 { // also for who used the same keys, and comes later
		fresh, changed, err := r.Renew(t.Context(), b, "t", used, true)
		if err != nil || !changed || fresh.AccessKey != "ASIA1" {
			t.Errorf("got %+v, %v, %v", fresh, changed, err)
		}
	}
}

func TestNoKeysOfARoleFromBeforeForgettingServeWhomItWasAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := &sessions{}, assuming()
		r := New(nil, noBearer, s, Options{})
		time.Sleep(time.Second)
		forgotten := time.Now()
		r.Forget(shared.Revocation{Token: named("alice")})
		for token, want := range map[string]time.Time{"alice": forgotten, "bob": {}} {
			if _, err := r.For(t.Context(), b, token); err != nil || !s.after.Equal(want) {
				t.Errorf("%s: after %v, %v", token, s.after, err)
			}
		}
	})
}
