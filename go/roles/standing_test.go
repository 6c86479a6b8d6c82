package roles

import (
	"testing"

	"osp/go/identity"
	"osp/go/session"
)

func TestASessionStandsWhileTheConfigurationGivesIt(t *testing.T) {
	const issuer = "https://issuer"
	r := New(Settings{Issuers: []identity.Issuer{{URL: issuer}}, Roles: map[string]*Role{"reader": reader()}}, nil, Options{})
	for name, c := range map[string]struct {
		in    session.Session
		stays bool // when the issuer is not there any more
		now   bool
	}{
		"of the owner":                 {session.Session{Token: "t"}, true, true},
		"of a role":                    {session.Session{Role: "reader", Configured: true}, true, true},
		"of a subject":                 {session.Session{Role: "reader", Configured: true, Issuer: issuer, Subject: "alice"}, false, true},
		"of another subject":           {session.Session{Role: "reader", Configured: true, Issuer: issuer, Subject: "mallory"}, false, false},
		"of a key":                     {session.Session{Role: "reader", Configured: true, Caller: "ci-1"}, true, true},
		"of another key":               {session.Session{Role: "reader", Configured: true, Caller: "me"}, false, false},
		"of a role that is gone":       {session.Session{Role: "writer", Configured: true}, false, false},
		"of the callback's":            {session.Session{Role: "writer", Issuer: issuer, Subject: "mallory"}, false, true},
		"of the callback's, once":      {session.Session{Role: "reader", Token: "alice"}, false, false},
		"of an issuer that is unknown": {session.Session{Role: "writer", Issuer: "https://elsewhere", Subject: "alice"}, false, false},
	} {
		if err := r.Stands(&c.in); (err == nil) != c.now {
			t.Errorf("%s: %v", name, err)
		}
		without := New(Settings{Roles: r.Settings().Roles}, nil, Options{})
		if err := without.Stands(&c.in); (err == nil) != c.stays {
			t.Errorf("%s, without the issuer: %v", name, err)
		}
	}
}

func BenchmarkStands(b *testing.B) {
	const issuer = "https://issuer"
	r := New(Settings{Issuers: []identity.Issuer{{URL: issuer}}, Roles: map[string]*Role{"reader": reader()}}, nil, Options{})
	in := &session.Session{Role: "reader", Configured: true, Issuer: issuer, Subject: "alice"}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Stands(in); err != nil {
			b.Fatal(err)
		}
	}
}
