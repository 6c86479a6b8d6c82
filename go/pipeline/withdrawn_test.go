package pipeline

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"osp/go/callbacks"
	"osp/go/creds"
	"osp/go/identity/identitytest"
	"osp/go/secret"
	"osp/go/session"
)

// updated is the rig after an update.
func (r *rig) updated(change settings) {
	r.T.Helper()
	document, err := json.Marshal(change)
	if err != nil {
		r.T.Fatal(err)
	}
	u, err := r.Config.ParseUpdate(document, r.pipeline.Running())
	if err != nil {
		r.T.Fatal(err)
	}
	r.pipeline.Update(u)
}

// goesOn reports whether a session opens what its role allows.
func (r *rig) goesOn(keys aws.Credentials) bool {
	r.T.Helper()
	a := r.Do(r.by(keys, "GET", "/photos/a/k", ""))
	if a.StatusCode != http.StatusOK && a.Code() != "ExpiredToken" {
		r.T.Errorf("%d %s", a.StatusCode, a.Content)
	}
	return a.StatusCode == http.StatusOK
}

func TestASessionEndsWithTheKeyPairThatHasSignedForIt(t *testing.T) {
	pair := func(key, secret string) settings { return settings{"access_key": key, "secret_key": secret} }
	reader := settings{"reader": settings{"keys": "c*", "policy": json.RawMessage(onlyRead)}}
	withFetcher := callbacks.Set{HMACFetcher: func(context.Context, callbacks.HMACQuestion) (callbacks.Secret, error) {
		return callbacks.Secret{}, callbacks.ErrUnknownKey
	}}
	for name, owner := range map[string]callbacks.Set{"a keystore": {}, "a fetcher, too": withFetcher} {
		t.Run(name, func(t *testing.T) {
			r := start(t, owner, settings{"roles": reader, "hmac_keystore": []settings{pair("c1", "secret-1"), pair("c2", "secret-2"), pair("c3", "secret-3")}})
			keys := map[string]aws.Credentials{}
			for _, caller := range []string{"c1", "c2", "c3"} {
				keys[caller] = r.issued(session.Session{Token: "reader", Role: "reader", Configured: true, Caller: caller})
				if !r.goesOn(keys[caller]) {
					t.Fatal(caller)
				}
			}
			r.updated(settings{"hmac_keystore": []settings{pair("c2", "secret-2"), pair("c3", "another")}})
			for caller, want := range map[string]bool{"c1": false, "c2": true, "c3": false} {
				if r.goesOn(keys[caller]) != want {
					t.Errorf("%s: goes on: %v", caller, !want)
				}
			}
			r.updated(settings{"hmac_keystore": []settings{pair("c1", "secret-1"), pair("c2", "secret-2"), pair("c3", "secret-3")}})
			for caller, want := range map[string]bool{"c1": false, "c2": true, "c3": false} {
				if r.goesOn(keys[caller]) != want {
					t.Errorf("%s, after the pairs came back: goes on: %v", caller, !want)
				}
			}
			if !r.goesOn(r.issued(session.Session{Token: "reader", Role: "reader", Configured: true, Caller: "c1"})) {
				t.Error("a session that is younger")
			}
		})
	}
}

// Only the pair that is gone takes its sessions along.
func TestSessionsForWhichAnotherPairSignedGoOn(t *testing.T) {
	none := settings{"hmac_keystore": []settings{{"access_key": "c1", "secret_key": "next"}}}
	r := start(t, callbacks.Set{}, settings{"hmac_keystore": []settings{{"access_key": "c1", "secret_key": "before"}}})
	next := creds.PairOf(map[string]secret.Value{"c1": secret.New("next")}, "c1")
	for name, given := range map[string]session.Session{
		"the pair that follows, at a process that has it": {Token: "c1", Caller: "c1", Pair: next},
		"its owner has issued it":                         {Token: "c1"},
	} {
		keys := r.issued(given)
		r.updated(none)
		if !r.goesOn(keys) {
			t.Errorf("%s: it ended", name)
		}
	}
}

// The next process knows no more of the pair than what the session says.
func TestASessionForAPairThatIsAnotherNowIsOver(t *testing.T) {
	none := callbacks.Set{HMACFetcher: func(context.Context, callbacks.HMACQuestion) (callbacks.Secret, error) {
		return callbacks.Secret{}, callbacks.ErrUnknownKey
	}}
	pair := func(key string) string {
		return creds.PairOf(map[string]secret.Value{key: secret.New("leaked")}, key)
	}
	for name, c := range map[string]struct {
		owner callbacks.Set
		pair  string // with which was signed
		by    string
	}{
		"another secret":              {callbacks.Set{}, pair(clientKey), clientKey},
		"another secret, a fetcher":   {none, pair(clientKey), clientKey},
		"it left, there is a fetcher": {none, pair("gone"), "gone"},
	} {
		r := start(t, c.owner, nil)
		if r.goesOn(r.issued(session.Session{Token: clientKey, Caller: c.by, Pair: c.pair})) {
			t.Errorf("%s: it goes on", name)
		}
	}
	r := start(t, none, nil)
	if !r.goesOn(r.issued(session.Session{Token: clientKey, Caller: "fetched"})) {
		t.Error("a key of the fetcher's")
	}
}

func TestASessionForWhichNobodyKnownHasSignedIsOver(t *testing.T) {
	r := start(t, callbacks.Set{}, nil) // the next process, say, that begins without the pair
	if r.goesOn(r.issued(session.Session{Token: clientKey, Caller: "withdrawn"})) {
		t.Error("it goes on")
	}
}

func TestASessionEndsWhenItsRoleIsForOthers(t *testing.T) {
	issuer, other := identitytest.New(t), identitytest.New(t)
	role := func(changes settings) settings {
		all := settings{"issuers": []string{issuer.URL, other.URL}, "subjects": []string{"alice", "bob"}, "keys": "c*", "policy": json.RawMessage(onlyRead)}
		for name, value := range changes {
			all[name] = value
		}
		return settings{"roles": settings{"reader": all}}
	}
	known := func(issuers ...*identitytest.Issuer) settings {
		all := settings{}
		for _, i := range issuers {
			all[i.URL] = settings{"audiences": []string{"s3"}}
		}
		return settings{"issuers": all}
	}
	begin := role(nil)
	begin["issuers"] = known(issuer, other)["issuers"]
	for name, c := range map[string]struct {
		update settings
		ends   string // of whom
	}{
		"the same again":   {role(nil), ""},
		"other subjects":   {role(settings{"subjects": "bob"}), "alice"},
		"another issuer":   {role(settings{"issuers": []string{other.URL}}), "alice bob"},
		"other keys":       {role(settings{"keys": "d*"}), "client"},
		"no keys":          {role(settings{"keys": nil}), "client"},
		"more of all":      {role(settings{"keys": "*", "subjects": "*"}), ""},
		"another policy":   {role(settings{"policy": json.RawMessage(onlyRead)}), ""},
		"another audience": {role(settings{"audiences": "elsewhere"}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, callbacks.Set{}, begin)
			holders := map[string]aws.Credentials{
				"alice":  r.issued(session.Session{Token: "reader", Role: "reader", Configured: true, Issuer: issuer.URL, Subject: "alice"}),
				"bob":    r.issued(session.Session{Token: "reader", Role: "reader", Configured: true, Issuer: issuer.URL, Subject: "bob"}),
				"client": r.issued(session.Session{Token: "reader", Role: "reader", Configured: true, Caller: clientKey}),
			}
			r.updated(c.update)
			for who, keys := range holders {
				if ends := strings.Contains(c.ends, who); r.goesOn(keys) == ends {
					t.Errorf("%s: goes on: %v", who, ends)
				}
			}
		})
	}
}
