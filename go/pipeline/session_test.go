package pipeline

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"osp/go/callbacks"
	"osp/go/creds"
	"osp/go/identity/identitytest"
	"osp/go/policy"
	"osp/go/roles"
	"osp/go/s3err"
	"osp/go/secret"
	"osp/go/session"
	"osp/go/shared"
)

// issued makes the keys of a session as a client has them.
func (r *rig) issued(s session.Session) aws.Credentials {
	r.T.Helper()
	if s.Expires.IsZero() {
		s.Expires = time.Now().Add(time.Hour)
	}
	if s.Caller != "" && s.Pair == "" {
		s.Pair = creds.PairOf(r.pipeline.stores.Load().Keystore, s.Caller)
	}
	keys, _, err := r.pipeline.sessions.Issue(s)
	if err != nil {
		r.T.Fatal(err)
	}
	return aws.Credentials{AccessKeyID: keys.AccessKey, SecretAccessKey: keys.Secret.Reveal(), SessionToken: keys.Token.Reveal()}
}

// by is a request that is signed with other keys than the client's own.
func (r *rig) by(keys aws.Credentials, method, target, body string) *http.Request {
	r.T.Helper()
	return r.SignBy(keys, r.Request(method, target, body), body)
}

// inSession is an owner who allows everything and would know any secret.
func inSession(seen *atomic.Pointer[callbacks.Request], asked *atomic.Int32) callbacks.Set {
	return callbacks.Set{
		ValidatorSeesRequest: true,
		Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
			seen.Store(q)
			return callbacks.Decision{Allow: true}, nil
		},
		HMACFetcher: func(context.Context, callbacks.HMACQuestion) (callbacks.Secret, error) {
			asked.Add(1)
			return callbacks.Secret{Key: secret.NewText("known")}, nil
		},
		BucketCredsFetcher: func(_ context.Context, q callbacks.BucketCredsQuestion) (secret.Text, error) {
			return secret.NewText(`{"access_key": "of-` + q.Token + `", "secret_key": "s"}`), nil
		},
	}
}

func TestARequestInASessionIsTheHolders(t *testing.T) {
	var seen atomic.Pointer[callbacks.Request]
	var asked atomic.Int32
	r := entries(t, inSession(&seen, &asked), nil, map[string]settings{"photos": {"access_key": nil, "secret_key": nil}})
	keys := r.issued(session.Session{Token: "alice", Role: "analyst", Name: "laptop", Subject: "a1", Claims: map[string][]string{"groups": {"staff"}}})
	for name, req := range map[string]*http.Request{
		"by header":    r.by(keys, "PUT", "/photos/k", "content"),
		"by its query": r.Request("GET", r.PresignedBy(keys, "GET", "/photos/k", 0), ""),
	} {
		if a := r.Do(req); a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", name, a.StatusCode, a.Content)
		}
		q := seen.Load()
		if q.Token != "alice" || q.Session == nil || q.Session.AccessKey != keys.AccessKeyID || q.Session.Role != "analyst" {
			t.Errorf("%s: the validator saw %+v", name, q)
		}
	}
	for _, sent := range r.Store.Requests() {
		if !strings.Contains(sent.Header.Get("Authorization"), "of-alice/") {
			t.Error("the credentials are not those of the session's token:", sent.Header.Get("Authorization"))
		}
		for name, values := range sent.Header {
			if strings.Contains(name+strings.Join(values, ""), "Security-Token") || strings.Contains(strings.Join(values, ""), keys.SessionToken) {
				t.Errorf("the session token reached the store in %s", name)
			}
		}
		if strings.Contains(sent.Target, "Token") {
			t.Error("the session token reached the store in its query")
		}
	}
	if asked.Load() != 0 {
		t.Error("hmac_fetcher was asked about a session")
	}
	for _, private := range []string{keys.SecretAccessKey, keys.SessionToken} {
		if strings.Contains(r.Log.String(), private) {
			t.Error("the log has a secret")
		}
	}
}

func TestWhatIsNoSessionIsRefusedWithoutAskingAnybody(t *testing.T) {
	var seen atomic.Pointer[callbacks.Request]
	var asked atomic.Int32
	r := start(t, inSession(&seen, &asked), nil)
	now := time.Now
	r.pipeline.sessions = session.New(r.Config.Keyring, func() time.Time { return now() })
	keys := r.issued(session.Session{Token: "alice"})
	other := r.issued(session.Session{Token: "bob"})
	swapped, changed, wrong, foreign := keys, keys, keys, keys
	swapped.SessionToken = other.SessionToken
	changed.SessionToken = keys.SessionToken[:len(keys.SessionToken)-1]
	wrong.SecretAccessKey = "guessed"
	foreign.SessionToken, foreign.SecretAccessKey = strings.Replace(keys.SessionToken, ".1.", ".2.", 1), "known"
	static := aws.Credentials{AccessKeyID: clientKey, SecretAccessKey: clientSecret, SessionToken: keys.SessionToken}
	for name, c := range map[string]struct {
		keys   aws.Credentials
		status int
		code   string
	}{
		"another's token":           {swapped, 400, "InvalidToken"},
		"a token cut short":         {changed, 400, "InvalidToken"},
		"another version":           {foreign, 400, "InvalidToken"},
		"a static key with a token": {static, 400, "InvalidToken"},
		"another secret":            {wrong, 403, "SignatureDoesNotMatch"},
	} {
		t.Run(name, func(t *testing.T) {
			r.Refuses(r.by(c.keys, "GET", "/photos/k", ""), c.status, c.code)
			r.Refuses(r.Request("GET", r.PresignedBy(c.keys, "GET", "/photos/k", 0), ""), c.status, c.code)
		})
	}
	url := r.PresignedBy(keys, "GET", "/photos/k", 0)
	now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	r.Refuses(r.by(keys, "GET", "/photos/k", ""), 400, "ExpiredToken")
	r.Refuses(r.Request("GET", url, ""), 400, "ExpiredToken")
	if asked.Load() != 0 {
		t.Error("hmac_fetcher was asked about a token that has our form")
	}
}

const onlyRead = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/a/*"}}`

func TestPoliciesOfASessionNarrowWhateverElseAllows(t *testing.T) {
	everything := settings{"policy": map[string]any{"Version": "2012-10-17", "Statement": []map[string]any{
		{"Effect": "Allow", "Principal": map[string]any{"Token": "alice"}, "Action": "s3:*", "Resource": "*"}}}}
	allow := callbacks.Set{Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: true}, nil
	}}
	for name, r := range map[string]*rig{
		"a validator": start(t, allow, nil), "a policy": start(t, callbacks.Set{}, everything), "a signature": start(t, callbacks.Set{}, nil),
	} {
		t.Run(name, func(t *testing.T) {
			keys := r.issued(session.Session{Token: "alice", Policies: []string{onlyRead}})
			if a := r.Do(r.by(keys, "GET", "/photos/a/k", "")); a.StatusCode != http.StatusOK {
				t.Errorf("what all allow: %d %s", a.StatusCode, a.Code())
			}
			twice := r.issued(session.Session{Token: "alice", Policies: []string{onlyRead, strings.Replace(onlyRead, "a/*", "b/*", 1)}})
			none := len(r.Store.Requests())
			for _, req := range []*http.Request{
				r.by(keys, "GET", "/photos/b/k", ""), r.by(keys, "PUT", "/photos/a/k", "x"), r.by(keys, "GET", "/other/a/k", ""),
				r.by(twice, "GET", "/photos/a/k", ""),
			} {
				if a := r.Do(req); a.Code() != s3err.AccessDenied.Code {
					t.Errorf("%s %s: %d %s", req.Method, req.URL.Path, a.StatusCode, a.Code())
				}
			}
			if len(r.Store.Requests()) != none {
				t.Error("what a session's policy does not allow reached the store")
			}
		})
	}
}

// has gives the rig these roles.
func (r *rig) has(bounds map[string]*policy.Policy) {
	set := *r.pipeline.stores.Load()
	set.Roles = bounds
	r.pipeline.stores.Store(&set)
	r.pipeline.roles.Update(func(s roles.Settings) roles.Settings {
		s.Roles = map[string]*roles.Role{}
		for name := range bounds {
			s.Roles[name] = &roles.Role{Name: name}
		}
		return s
	})
}

func TestARolesPolicyNarrowsWhatAValidatorAllows(t *testing.T) {
	read, err := policy.ParseIdentity([]byte(onlyRead))
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, callbacks.Set{Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: true}, nil
	}}, nil)
	r.has(map[string]*policy.Policy{"reader": read})
	keys := r.issued(session.Session{Token: "alice", Role: "reader", Configured: true})
	r.Refuses(r.by(keys, "PUT", "/photos/a/k", "x"), 403, "AccessDenied")
	if a := r.Do(r.by(keys, "GET", "/photos/a/k", "")); a.StatusCode != http.StatusOK {
		t.Errorf("what both allow: %d %s", a.StatusCode, a.Code())
	}
}

func TestARoleBoundsItsSessionsAndEndsThem(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	read, err := policy.ParseIdentity([]byte(onlyRead))
	if err != nil {
		t.Fatal(err)
	}
	reader := r.issued(session.Session{Token: "alice", Role: "reader", Configured: true})
	bare := r.issued(session.Session{Token: "alice", Role: "bare", Configured: true})
	foreign := r.issued(session.Session{Token: "alice", Role: "of a callback"})
	r.has(map[string]*policy.Policy{"reader": read, "bare": nil})
	if a := r.Do(r.by(reader, "GET", "/photos/a/k", "")); a.StatusCode != http.StatusOK {
		t.Errorf("what the role allows: %d %s", a.StatusCode, a.Code())
	}
	reached := len(r.Store.Requests())
	for name, keys := range map[string]aws.Credentials{"reader": reader, "bare": bare, "of a callback": foreign} {
		if a := r.Do(r.by(keys, "GET", "/photos/b/k", "")); a.Code() != s3err.AccessDenied.Code {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Code())
		}
	}
	r.has(nil)
	if a := r.Do(r.by(reader, "GET", "/photos/a/k", "")); a.Code() != s3err.ExpiredToken.Code {
		t.Errorf("without the role: %d %s", a.StatusCode, a.Code())
	}
	if len(r.Store.Requests()) != reached {
		t.Error("what no role allows reached the store")
	}
}

func TestAnUpdateThatTakesARoleAwayEndsItsSessionsForGood(t *testing.T) {
	reader := settings{"roles": settings{"reader": settings{"keys": "*", "policy": json.RawMessage(onlyRead)}}}
	r := start(t, callbacks.Set{}, nil)
	r.updated(reader)
	old := r.issued(session.Session{Token: "alice", Role: "reader", Configured: true})
	read := func(keys aws.Credentials) string { return r.Do(r.by(keys, "GET", "/photos/a/k", "")).Code() }
	if code := read(old); code != "" {
		t.Fatal(code)
	}
	r.updated(reader)
	if code := read(old); code != "" {
		t.Errorf("a role that is there again has ended its sessions: %s", code)
	}
	r.updated(settings{"roles": settings{}})
	if code := read(old); code != s3err.ExpiredToken.Code {
		t.Errorf("without its role: %q", code)
	}
	r.updated(reader)
	if code := read(old); code != s3err.ExpiredToken.Code {
		t.Errorf("a role that has come back: %q", code)
	}
	if code := read(r.issued(session.Session{Token: "alice", Role: "reader", Configured: true})); code != "" {
		t.Errorf("a session that is younger: %q", code)
	}
}

func TestKeysThatWereAskedForBeforeARevocationAreNoGood(t *testing.T) {
	var r *rig
	var revoked atomic.Bool
	assume := func(context.Context, *callbacks.RoleQuestion) (callbacks.RoleAnswer, error) {
		if revoked.CompareAndSwap(false, true) {
			role := "reader"
			r.pipeline.Forget(shared.Revocation{Role: &role, At: time.Now()})
		}
		return callbacks.RoleAnswer{Assumed: true}, nil
	}
	issuer := identitytest.New(t)
	r = start(t, callbacks.Set{RoleAssumer: assume}, settings{
		"issuers": settings{issuer.URL: settings{"audiences": []string{"proxy"}}},
		"roles":   settings{"reader": settings{"issuers": []string{issuer.URL}, "subjects": "*", "policy": json.RawMessage(onlyRead)}},
	})
	token := issuer.Token(t, claims(issuer, "job"))
	before := keysOf(t, r.withToken(token))
	if a := r.asHolder(before, "GET", "/photos/a/k"); a.Code() != s3err.ExpiredToken.Code {
		t.Errorf("%d %s", a.StatusCode, a.Content)
	}
	if a := r.asHolder(keysOf(t, r.withToken(token)), "GET", "/photos/a/k"); a.StatusCode != http.StatusOK {
		t.Errorf("keys that were asked for later: %d %s", a.StatusCode, a.Content)
	}
}

func TestKeysThatEndGetNoSessionToken(t *testing.T) {
	end := time.Now().Add(time.Hour)
	known := map[string]callbacks.Secret{
		"stays": {Key: secret.NewText("s")}, "ends": {Key: secret.NewText("s"), Expires: end}, "borrowed": {Key: secret.NewText("s"), SessionToken: secret.NewText("t")},
	}
	r := start(t, callbacks.Set{
		HMACFetcher: func(_ context.Context, q callbacks.HMACQuestion) (callbacks.Secret, error) {
			return known[q.AccessKey], nil
		},
		RoleAssumer: func(context.Context, *callbacks.RoleQuestion) (callbacks.RoleAnswer, error) {
			return callbacks.RoleAnswer{Assumed: true}, nil
		},
	}, nil)
	for name, code := range map[string]string{"stays": "", "ends": "AccessDenied", "borrowed": "AccessDenied"} {
		keys := aws.Credentials{AccessKeyID: name, SecretAccessKey: "s", SessionToken: known[name].SessionToken.Reveal()}
		if a := r.toSTSAs(keys, "Action=GetSessionToken&Version=2011-06-15"); stsCode(a) != code || code == "" && a.StatusCode != 200 {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Content)
		}
	}
}
