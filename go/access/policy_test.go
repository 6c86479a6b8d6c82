package access

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/policy"
	"osp/go/s3err"
	"osp/go/s3op"
)

// by reads a policy with these statements, in which everybody is meant.
func by(t testing.TB, statements string) *policy.Policy {
	t.Helper()
	statements = strings.ReplaceAll(statements, `"Effect"`, `"Principal": "*", "Effect"`)
	p, err := policy.Parse([]byte(`{"Version": "2012-10-17", "Statement": [` + statements + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	allowAll   = `{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}`
	allowReads = `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}`
	denyReads  = `{"Sid": "NoReads", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}`
)

func TestADenyThenTheValidatorThenAnAllow(t *testing.T) {
	yes, no := always(callbacks.Decision{Allow: true}), always(callbacks.Decision{})
	raises := func(*callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: true}, errors.New("raised")
	}
	for name, c := range map[string]struct {
		all, own  string
		validator func(*callbacks.Request) (callbacks.Decision, error)
		allowed   bool
		asked     int32
		source    Source
	}{
		"a policy allows":                                {all: allowReads, allowed: true, source: Policy},
		"that of the entry allows":                       {all: `{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}`, own: allowReads, allowed: true, source: Policy},
		"a policy denies what the other one allows":      {all: allowAll, own: denyReads, source: Policy},
		"likewise, the other way round":                  {all: denyReads, own: allowAll, source: Policy},
		"no policy says anything":                        {all: `{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}`, source: Policy},
		"a policy allows, and the validator":             {all: allowReads, validator: yes, allowed: true, asked: 1, source: Asked},
		"a policy allows, but the validator refuses":     {all: allowReads, validator: no, asked: 1, source: Asked},
		"a policy denies what the validator would allow": {all: allowAll + "," + denyReads, validator: yes, source: Policy},
		"what no policy allows the validator does":       {own: `{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}`, validator: yes, allowed: true, asked: 1, source: Asked},
		"policies only deny, and the validator allows":   {all: `{"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}`, validator: yes, allowed: true, asked: 1, source: Asked},
		"policies only deny, and the validator refuses":  {all: `{"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}`, validator: no, asked: 1, source: Asked},
		"policies only deny":                             {all: `{"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}`, source: Policy},
		"a policy denies, and the validator raises":      {all: denyReads, validator: raises, source: Policy},
		"a policy allows, and the validator raises":      {all: allowReads, validator: raises, asked: 1},
		"there is only a validator":                      {validator: yes, allowed: true, asked: 1, source: Asked},
		"there is neither":                               {allowed: true, source: Signature},
	} {
		o := &owner{decide: c.validator}
		set := callbacks.Set{}
		if c.validator != nil {
			set = o.callbacks(true)
		}
		q := About(alice, wanted(t, "GET", "/photos/k", nil), &Origin{}, Terms{TTL: time.Hour})
		for i, text := range []string{c.all, c.own} {
			if text != "" {
				q.Policies[i] = by(t, text)
			}
		}
		d := New(set, Options{Capacity: 1}).Check(t.Context(), &q)
		if d.Allowed != c.allowed || d.Source != c.source || o.calls.Load() != c.asked {
			t.Errorf("%s: %+v, the validator was asked %d times", name, d, o.calls.Load())
		}
		if err := d.Refusal(); (err == nil) != c.allowed || err != nil && !errors.Is(err, s3err.AccessDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A deny counts wherever it is among the actions, also behind one that nothing allows.
func TestNoActionThatIsDeniedPassesTheValidator(t *testing.T) {
	o := &owner{decide: always(callbacks.Decision{Allow: true})}
	c := New(o.callbacks(true), Options{Capacity: 1})
	from := &Origin{Field: func(name string) (string, bool) { return "public-read", name == "X-Amz-Acl" }}
	for request, statement := range map[string]string{
		"PUT /photos/k":     `{"Effect": "Deny", "Action": "s3:PutObjectAcl", "Resource": "*"}`,
		"OPTIONS /photos/k": `{"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}`, // needs no action that could be denied
	} {
		method, target, _ := strings.Cut(request, " ")
		q := About(alice, wanted(t, method, target, nil), from, Terms{Policies: Policies{by(t, statement)}})
		if d := c.Check(t.Context(), &q); d.Allowed || d.Source != Policy || o.calls.Load() != 0 {
			t.Errorf("%s: %+v", request, d)
		}
	}
}

// A policy is asked each time, and leaves no trace in what is remembered of the validator.
func TestAPolicyChangesNothingThatIsRemembered(t *testing.T) {
	o := &owner{decide: always(callbacks.Decision{Allow: true})}
	c := New(o.callbacks(true), Options{Capacity: 10})
	for _, text := range []string{allowAll, denyReads, allowReads} {
		q := About(alice, wanted(t, "GET", "/photos/k", nil), &Origin{}, Terms{TTL: time.Hour, Policies: Policies{by(t, text)}})
		if d := c.Check(t.Context(), &q); d.Allowed != (text != denyReads) {
			t.Errorf("%s: %+v", text, d)
		}
	}
	if o.calls.Load() != 1 {
		t.Errorf("the validator was asked %d times", o.calls.Load())
	}
}

func TestARefusalNamesTheStatementToTheLogOnly(t *testing.T) {
	for text, want := range map[string]string{
		denyReads: `statement "NoReads" denies s3:GetObject`, `{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}`: "no statement allows s3:GetObject",
	} {
		q := About(alice, wanted(t, "GET", "/photos/k", nil), &Origin{}, Terms{Policies: Policies{by(t, text)}})
		err := New(callbacks.Set{}, Options{Capacity: 1, ShowReasons: true}).Check(t.Context(), &q).Refusal()
		if e := s3err.From(err); strings.Contains(e.Message, "s3:") || !strings.Contains(errors.Unwrap(e).Error(), want) {
			t.Errorf("%s, because of %v", e.Message, errors.Unwrap(e))
		}
	}
}

// Everything that a request wants has to be allowed, by the actions that it needs.
func TestAllActionsHaveToBeAllowed(t *testing.T) {
	puts := by(t, `{"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject", "s3:ListBucket"], "Resource": "*", "Condition": {"StringEqualsIfExists": {"s3:prefix": "a/"}}}`)
	fields := map[string]string{}
	for _, c := range []struct {
		request, field string
		allowed        bool
	}{
		{"PUT /photos/k", "", true},
		{"PUT /photos/k", "X-Amz-Acl", false},
		{"PUT /photos/k", "X-Amz-Tagging", false},
		{"DELETE /photos/k", "", true},
		{"DELETE /photos/k", "X-Amz-Bypass-Governance-Retention", false},
		{"DELETE /photos/k?versionId=v", "", false},
		{"GET /photos?prefix=a/", "", true},
		{"GET /photos?prefix=b/", "", false},
		{"HEAD /photos", "", true},
		{"GET /photos/k", "", false},
		{"OPTIONS /photos/k", "", false}, // needs no action that there is
	} {
		method, target, _ := strings.Cut(c.request, " ")
		clear(fields)
		if c.field != "" {
			fields[c.field] = "x"
		}
		from := &Origin{Field: func(name string) (string, bool) { v, ok := fields[name]; return v, ok }}
		q := About(alice, wanted(t, method, target, http.Header{}), from, Terms{Policies: Policies{puts}})
		if d := New(callbacks.Set{}, Options{Capacity: 1}).Check(t.Context(), &q); d.Allowed != c.allowed {
			t.Errorf("%s with %s: %+v", c.request, c.field, d)
		}
	}
}

func TestConditionsSeeWhatIsKnownOfARequest(t *testing.T) {
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	from := &Origin{Client: "192.0.2.1", Secure: true, Field: func(name string) (string, bool) { return "private", name == "X-Amz-Acl" }}
	for _, condition := range []string{
		`{"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}`, `{"Bool": {"aws:SecureTransport": true}}`, `{"StringEquals": {"aws:username": "alice"}}`,
		`{"StringEquals": {"s3:VersionId": "v"}}`, `{"StringEquals": {"s3:x-amz-acl": "private"}}`, `{"DateEquals": {"aws:CurrentTime": "2026-06-01T12:00:00Z"}}`,
	} {
		allow := by(t, `{"Effect": "Allow", "Action": "s3:GetObjectVersion", "Resource": "arn:aws:s3:::photos/a b", "Condition": `+condition+`}`)
		q := About(alice, wanted(t, "GET", "/photos/a%20b?versionId=v", nil), from, Terms{Policies: Policies{allow}})
		c := New(callbacks.Set{}, Options{Capacity: 1, Now: func() time.Time { return noon }})
		if d := c.Check(t.Context(), &q); !d.Allowed {
			t.Errorf("%s: %+v", condition, d)
		}
		other := About(Principal{}, wanted(t, "GET", "/photos/a%20b", nil), &Origin{}, Terms{Policies: Policies{allow}})
		if d := New(callbacks.Set{}, Options{Capacity: 1}).Check(t.Context(), &other); d.Allowed {
			t.Errorf("%s holds for anything", condition)
		}
	}
}

func TestOnlyAnExplicitDenyForbids(t *testing.T) {
	c := New(callbacks.Set{}, Options{Capacity: 1})
	what := wanted(t, "GET", "/", nil)
	for text, forbidden := range map[string]bool{
		allowReads: false, `{"Effect": "Deny", "Action": "s3:ListAllMyBuckets", "Resource": "*"}`: true, denyReads: false,
	} {
		q := About(alice, what, &Origin{}, Terms{Policies: Policies{by(t, text)}})
		if err := c.Forbidden(&q); (err != nil) != forbidden {
			t.Errorf("%s: %v", text, err)
		}
	}
	if what.Operation != s3op.ListBuckets {
		t.Error(what.Operation)
	}
}

func BenchmarkPolicyAlone(b *testing.B) {
	what, err := s3op.Parse("GET", "/photos/2026/03/01/0001.jpg", "", nil)
	if err != nil {
		b.Fatal(err)
	}
	q := About(alice, what, &Origin{}, Terms{Policies: Policies{by(b, allowReads)}})
	c := New(callbacks.Set{}, Options{Capacity: 1})
	b.ReportAllocs()
	for b.Loop() {
		if !c.Check(context.Background(), &q).Allowed {
			b.Fatal("refused")
		}
	}
}

// A unix socket is no address: to a policy the client has none.
func TestAnAddressHasAValueOnlyWhereThereIsOne(t *testing.T) {
	const without = `{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"Null": {"aws:SourceIp": "true"}}}`
	for client, want := range map[string]bool{"unix": true, "": true, "192.0.2.1": false, "2001:db8::1": false} {
		q := About(alice, wanted(t, "GET", "/photos/k", nil), &Origin{Client: client}, Terms{Policies: Policies{by(t, without)}})
		if d := New(callbacks.Set{}, Options{Capacity: 1}).Check(t.Context(), &q); d.Allowed != want {
			t.Errorf("%q: %+v", client, d)
		}
		if q.request.ClientIP != client {
			t.Errorf("the validator sees %q", q.request.ClientIP)
		}
	}
}
