package access

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"osp/go/s3err"
	"osp/go/session"
	"osp/go/shared"
)

func TestWhatARevocationEnds(t *testing.T) {
	now := time.Now()
	in := &session.Session{Token: "alice", Role: "analyst", Subject: "a1", AccessKey: "ASIAEXAMPLE", From: []string{"ASIAFIRST", "ASIASECOND"}, Caller: "ci",
		Since: now, Issued: now.Add(time.Minute)}
	name := func(text string) *string { return &text }
	for what, c := range map[string]struct {
		by   shared.Revocation
		ends bool
	}{
		"its token":            {shared.Revocation{Token: name("alice")}, true},
		"its access key":       {shared.Revocation{Token: name("ASIAEXAMPLE")}, true},
		"what it was made of":  {shared.Revocation{Token: name("ASIAFIRST")}, true},
		"what that made":       {shared.Revocation{Token: name("ASIASECOND")}, true},
		"who signed for it":    {shared.Revocation{Token: name("ci")}, true},
		"its role":             {shared.Revocation{Role: name("analyst")}, true},
		"its subject":          {shared.Revocation{Subject: name("a1")}, true},
		"both":                 {shared.Revocation{Role: name("analyst"), Subject: name("a1")}, true},
		"everything":           {shared.Revocation{}, true},
		"another token":        {shared.Revocation{Token: name("analyst")}, false},
		"another role":         {shared.Revocation{Role: name("alice")}, false},
		"another subject":      {shared.Revocation{Subject: name("alice")}, false},
		"its role, of another": {shared.Revocation{Role: name("analyst"), Subject: name("a2")}, false},
		"answers alone":        {shared.Revocation{KeepSessions: true}, false},
		"a bucket":             {shared.Revocation{Bucket: name("alice")}, false},
		"a bucket and it":      {shared.Revocation{Token: name("alice"), Bucket: name("b")}, false},
	} {
		sessions := NewSessions(nil)
		c.by.At = now
		sessions.End(c.by)
		if err := sessions.Check(t.Context(), in); errors.Is(err, s3err.ExpiredToken) != c.ends {
			t.Errorf("%s: %v", what, err)
		}
		later := *in
		later.Since = now.Add(time.Microsecond)
		if err := sessions.Check(t.Context(), &later); err != nil {
			t.Errorf("%s: a session that was issued later: %v", what, err)
		}
		c.by.At = now.Add(-time.Hour)
		sessions.End(c.by)
		if err := sessions.Check(t.Context(), in); errors.Is(err, s3err.ExpiredToken) != c.ends {
			t.Errorf("%s: an earlier revocation undid it: %v", what, err)
		}
	}
}

func TestWhoeverWasEndedGetsNoOtherSessionForTheSameIdentity(t *testing.T) {
	now := time.Now()
	in := &session.Session{Token: "alice", Role: "analyst", Subject: "a1"}
	name := func(text string) *string { return &text }
	for what, c := range map[string]struct {
		by   shared.Revocation
		ends bool
	}{
		"its subject":          {shared.Revocation{Subject: name("a1")}, true},
		"both":                 {shared.Revocation{Role: name("analyst"), Subject: name("a1")}, true},
		"its role":             {shared.Revocation{Role: name("analyst")}, false},
		"its token":            {shared.Revocation{Token: name("alice")}, true},
		"another token":        {shared.Revocation{Token: name("bob")}, false},
		"everything":           {shared.Revocation{}, false},
		"another subject":      {shared.Revocation{Subject: name("a2")}, false},
		"its role, of another": {shared.Revocation{Role: name("analyst"), Subject: name("a2")}, false},
	} {
		sessions := NewSessions(nil)
		c.by.At = now
		sessions.End(c.by)
		for issued, ends := range map[time.Time]bool{{}: c.ends, now: c.ends, now.Add(time.Second): false} {
			if err := sessions.CheckIdentity(t.Context(), in, issued); errors.Is(err, s3err.ExpiredToken) != ends {
				t.Errorf("%s, issued at %v: %v", what, issued, err)
			}
		}
	}
}

func TestTheTokenOfAllWhoHaveARoleIsNobodysOwn(t *testing.T) {
	now := time.Now()
	sessions := NewSessions(nil)
	role := "analyst"
	sessions.End(shared.Revocation{Token: &role, At: now})
	in := &session.Session{Token: role, Role: role, Subject: "a1", AccessKey: "ASIAEXAMPLE", Since: now}
	if err := sessions.Check(t.Context(), in); !errors.Is(err, s3err.ExpiredToken) {
		t.Errorf("the session: %v", err)
	}
	if err := sessions.CheckIdentity(t.Context(), in, now.Add(-time.Minute)); err != nil {
		t.Errorf("new keys: %v", err)
	}
}

func TestClientsWithoutASignatureAreNotTheOnesWhoShowAToken(t *testing.T) {
	now := time.Now()
	sessions := NewSessions(nil)
	nobody := ""
	sessions.End(shared.Revocation{Token: &nobody, At: now})
	shown := &session.Session{Token: "alice", Role: "analyst", Subject: "a1", Since: now}
	if err := sessions.Check(t.Context(), shown); err != nil {
		t.Errorf("a session without an access key: %v", err)
	}
}

func TestMoreEndsThanCanBeRememberedEndAllSessions(t *testing.T) {
	now := time.Now()
	sessions := NewSessions(nil)
	in := &session.Session{Token: "alice", AccessKey: "ASIAEXAMPLE", Since: now}
	for n := 0; sessions.Check(t.Context(), in) == nil; n++ {
		if n > mostEnds {
			t.Fatal("the marks have no bound, or some are lost")
		}
		token := strconv.Itoa(n)
		sessions.End(shared.Revocation{Token: &token, At: now})
	}
}

// Nobody gets through, or new keys, while what was remembered one by one is given up.
func TestWhatWasEndedStaysSoWhileTheEndsAreGivenUp(t *testing.T) {
	now := time.Now()
	sessions := NewSessions(nil)
	alice := "alice"
	sessions.End(shared.Revocation{Token: &alice, At: now})
	in := &session.Session{Token: alice, AccessKey: "ASIAEXAMPLE", Since: now}
	done, passed := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(passed)
		for {
			for _, err := range []error{sessions.Check(t.Context(), in), sessions.CheckIdentity(t.Context(), in, now)} {
				if !errors.Is(err, s3err.ExpiredToken) {
					passed <- fmt.Errorf("it goes on: %v", err)
					return
				}
			}
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	for n := range 3 * mostEnds {
		subject := strconv.Itoa(n)
		sessions.End(shared.Revocation{Subject: &subject, At: now})
	}
	close(done)
	if err, ok := <-passed; ok {
		t.Error(err)
	}
}

func TestTheEndOfAllIsNoEarlierThanAnyEndThatItStandsFor(t *testing.T) {
	now := time.Now()
	sessions := NewSessions(nil)
	alice := "alice"
	sessions.End(shared.Revocation{Token: &alice, At: now})
	in := &session.Session{Token: alice, AccessKey: "ASIAEXAMPLE", Since: now}
	for n := range mostEnds {
		token := strconv.Itoa(n)
		sessions.End(shared.Revocation{Token: &token, At: now.Add(-time.Hour)})
	}
	if err := sessions.Check(t.Context(), in); !errors.Is(err, s3err.ExpiredToken) {
		t.Errorf("a session that was ended goes on: %v", err)
	}
	if err := sessions.CheckIdentity(t.Context(), in, now); !errors.Is(err, s3err.ExpiredToken) {
		t.Errorf("an identity token that was ended gets another one: %v", err)
	}
	if err := sessions.CheckIdentity(t.Context(), in, now.Add(time.Microsecond)); err != nil {
		t.Errorf("a younger one: %v", err)
	}
}
