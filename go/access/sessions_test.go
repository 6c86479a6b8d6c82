package access

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"osp/go/s3err"
	"osp/go/session"
	"osp/go/shared"
)

func TestWhatARevocationEnds(t *testing.T) {
	now := time.Now()
	in := &session.Session{Token: "alice", Role: "analyst", Subject: "a1", AccessKey: "ASIAEXAMPLE", Issued: now}
	name := func(text string) *string { return &text }
	for what, c := range map[string]struct {
		by   shared.Revocation
		ends bool
	}{
		"its token":            {shared.Revocation{Token: name("alice")}, true},
		"its access key":       {shared.Revocation{Token: name("ASIAEXAMPLE")}, true},
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
		later.Issued = now.Add(time.Microsecond)
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
		"its token":            {shared.Revocation{Token: name("alice")}, false},
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

func TestMoreEndsThanCanBeRememberedEndAllSessions(t *testing.T) {
	now := time.Now()
	sessions := NewSessions(nil)
	in := &session.Session{Token: "alice", AccessKey: "ASIAEXAMPLE", Issued: now}
	for n := 0; sessions.Check(t.Context(), in) == nil; n++ {
		if n > mostEnds {
			t.Fatal("the marks have no bound, or some are lost")
		}
		token := strconv.Itoa(n)
		sessions.End(shared.Revocation{Token: &token, At: now})
	}
}
