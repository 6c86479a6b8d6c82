package roles

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"osp/go/access"
	"osp/go/callbacks"
	"osp/go/identity"
	"osp/go/policy"
	"osp/go/s3err"
	"osp/go/session"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func patterns(texts ...string) []policy.Pattern {
	out := make([]policy.Pattern, len(texts))
	for i, text := range texts {
		var err error
		if out[i], err = policy.ParsePattern(text); err != nil {
			panic(err)
		}
	}
	return out
}

func tokenOf(text string) Token {
	token, err := ParseToken(text)
	if err != nil {
		panic(err)
	}
	return token
}

// reader is a role for the people of one issuer, and for some who sign.
func reader() *Role {
	return &Role{
		Name: "reader", Issuers: []string{"https://issuer"}, Subjects: patterns("repo:acme/*", "alice"),
		Claims: []Claim{{"groups", patterns("team-*")}, {"/realm/roles", patterns("*")}},
		Keys:   patterns("ci-*"), ExternalID: "open", Tags: patterns("project"),
		Token: tokenOf("{role}:{issuer}#{subject}"), Min: DefaultMin, Max: 2 * time.Hour,
	}
}

func person() *identity.Identity {
	return &identity.Identity{
		Issuer: "https://issuer", Subject: "alice", Audiences: []string{"s3"}, Expires: now.Add(10 * time.Minute),
		Claims: map[string]any{
			"groups": []any{"team-a", "others", "team-b"}, "realm": map[string]any{"roles": []any{"r", json.Number("7"), true, nil, map[string]any{}}},
		},
	}
}

type answer = func(*callbacks.RoleQuestion) (callbacks.RoleAnswer, error)

func rolesOf(says answer, list ...*Role) *Roles {
	s := Settings{Roles: map[string]*Role{}}
	for _, role := range list {
		s.Roles[role.Name] = role
	}
	var owner callbacks.Callback[*callbacks.RoleQuestion, callbacks.RoleAnswer]
	if says != nil {
		owner = func(_ context.Context, q *callbacks.RoleQuestion) (callbacks.RoleAnswer, error) { return says(q) }
	}
	return New(s, owner, Options{Now: func() time.Time { return now }})
}

func byToken(i *identity.Identity) *Request {
	return &Request{Action: "AssumeRoleWithWebIdentity", Role: "reader", SessionName: "job", Identity: i}
}

func bySignature(key string) *Request {
	return &Request{Action: "AssumeRole", Role: "reader", SessionName: "job", ExternalID: "open", Caller: &access.Principal{AccessKey: key}}
}

// code is what a client is told.
func code(err error) string {
	if err == nil {
		return ""
	}
	return s3err.From(err).Code
}

func TestARoleIsForThoseWhomItNames(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Role, *identity.Identity)
		want   string
	}{
		"as it is":         {func(*Role, *identity.Identity) {}, ""},
		"another subject":  {func(_ *Role, i *identity.Identity) { i.Subject = "repo:acme" }, "AccessDenied"},
		"a longer subject": {func(_ *Role, i *identity.Identity) { i.Subject = "alice2" }, "AccessDenied"},
		"another issuer":   {func(_ *Role, i *identity.Identity) { i.Issuer = "https://issuer/" }, "AccessDenied"},
		"another audience": {func(r *Role, _ *identity.Identity) { r.Audiences = patterns("s4", "x*") }, "AccessDenied"},
		"its audience":     {func(r *Role, _ *identity.Identity) { r.Audiences = patterns("s4", "s?") }, ""},
		"no such group":    {func(_ *Role, i *identity.Identity) { i.Claims["groups"] = "others" }, "AccessDenied"},
		"no group":         {func(_ *Role, i *identity.Identity) { delete(i.Claims, "groups") }, "AccessDenied"},
		"one group":        {func(_ *Role, i *identity.Identity) { i.Claims["groups"] = "team-x" }, ""},
		"a group in a group": {func(_ *Role, i *identity.Identity) {
			i.Claims["groups"] = []any{map[string]any{"team-a": "team-a"}, []any{"team-a"}}
		}, "AccessDenied"},
		"a flat name for a deep one": {func(_ *Role, i *identity.Identity) {
			i.Claims = map[string]any{"groups": "team-a", "/realm/roles": "r"}
		}, "AccessDenied"},
		"nobody is named": {func(r *Role, _ *identity.Identity) { r.Subjects, r.Claims = nil, nil }, "AccessDenied"},
		"only who signs":  {func(r *Role, _ *identity.Identity) { r.Issuers = nil }, "AccessDenied"},
	} {
		role, i := reader(), person()
		c.change(role, i)
		s, err := rolesOf(nil, role).Assume(t.Context(), byToken(i))
		if code(err) != c.want || err != nil && (s.Token != "" || strings.Contains(s3err.From(err).Message, "alice")) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestASessionSaysWhoseItIs(t *testing.T) {
	q := byToken(person())
	q.Tags, q.SourceIdentity, q.Policies = map[string]string{"project": "p"}, "someone", []string{"{}"}
	s, err := rolesOf(nil, reader()).Assume(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string][]string{"groups": {"team-a", "team-b"}, "/realm/roles": {"r", "7", "true"}}
	if !maps.EqualFunc(s.Claims, claims, slices.Equal) {
		t.Errorf("claims %v", s.Claims)
	}
	if s.Role != "reader" || !s.Configured || s.Name != "job" || s.Token != "reader:https://issuer#alice" || s.Issuer != "https://issuer" || s.Subject != "alice" ||
		s.SourceIdentity != "someone" || s.Tags["project"] != "p" || !slices.Equal(s.Policies, []string{"{}"}) || !s.Expires.Equal(now.Add(time.Hour)) {
		t.Errorf("got %+v", s)
	}
}

func TestWhoSignsNeedsAKeyThatTheRoleNames(t *testing.T) {
	r := rolesOf(nil, reader())
	s, err := r.Assume(t.Context(), bySignature("ci-1"))
	if err != nil || s.Token != "reader:#ci-1" || s.Subject != "" || s.Claims != nil {
		t.Errorf("got %+v, %v", s, err)
	}
	without := bySignature("ci-1")
	without.ExternalID = ""
	tagged := bySignature("ci-1")
	tagged.Tags = map[string]string{"project": "p", "admin": "1"}
	both := bySignature("ci-1")
	both.Identity = person()
	unknown := bySignature("ci-1")
	unknown.Role = "writer"
	for name, q := range map[string]*Request{
		"another key": bySignature("alice"), "nobody": bySignature(""), "no external id": without, "a tag": tagged, "two": both,
		"none": {Action: "AssumeRole", Role: "reader"}, "another role": unknown, "no role": {Caller: &access.Principal{AccessKey: "ci-1"}},
	} {
		if s, err := r.Assume(t.Context(), q); code(err) != "AccessDenied" {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestASessionLastsNoLongerThanItMay(t *testing.T) {
	ends := reader()
	ends.EndWithToken = true
	short := reader()
	short.Min, short.Max = time.Second, time.Minute
	for name, c := range map[string]struct {
		role  *Role
		asked time.Duration
		want  time.Duration // zero: ValidationError
	}{
		"as long as it may":  {reader(), 2 * time.Hour, 2 * time.Hour},
		"longer":             {reader(), 2*time.Hour + time.Second, 0},
		"as short as it may": {reader(), DefaultMin, DefaultMin},
		"shorter":            {reader(), DefaultMin - time.Second, 0},
		"not said":           {reader(), 0, time.Hour},
		"not said, short":    {short, 0, time.Minute},
		"an hour, of less":   {short, time.Hour, time.Minute},
		"more, of less":      {short, time.Hour + time.Second, 0},
		"seconds":            {short, 2 * time.Second, 2 * time.Second},
		"with its token":     {ends, time.Hour, 10 * time.Minute},
	} {
		q := byToken(person())
		q.Duration = c.asked
		s, err := rolesOf(nil, c.role).Assume(t.Context(), q)
		if c.want == 0 && code(err) != "ValidationError" || c.want > 0 && (err != nil || s.Expires.Sub(now) != c.want) {
			t.Errorf("%s: %v, %v", name, s.Expires.Sub(now), err)
		}
	}
	for _, asked := range []time.Duration{time.Second, Longest} {
		q := byToken(person())
		q.Identity.Subject, q.Duration = "stranger", asked
		if _, err := rolesOf(nil, reader()).Assume(t.Context(), q); code(err) != "AccessDenied" {
			t.Errorf("whom the role is not for learns of its bounds: %v", err)
		}
	}
	i := person()
	i.Expires = now // within the leeway
	if s, err := rolesOf(nil, ends).Assume(t.Context(), byToken(i)); code(err) != "AccessDenied" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestASessionMakesNoOtherOne(t *testing.T) {
	held := &session.Session{
		Role: "reader", Configured: true, Token: "t", Name: "before", Subject: "alice", Policies: []string{"a"}, Tags: map[string]string{"k": "v"}, AccessKey: "ASIA", Caller: "ci-1",
		Since: now.Add(-time.Minute), Issued: now.Add(-time.Second),
		Expires: now.Add(30 * time.Minute), SourceIdentity: "s",
	}
	asking := func(change func(*Request)) *Request {
		q := &Request{Action: "AssumeRole", Role: "reader", SessionName: "after", Policies: []string{"b"}, Caller: &access.Principal{AccessKey: "ci-1", Session: held}}
		change(q)
		return q
	}
	says := func(*callbacks.RoleQuestion) (callbacks.RoleAnswer, error) {
		t.Error("the callback was asked")
		return callbacks.RoleAnswer{Assumed: true}, nil
	}
	writer := reader()
	writer.Name = "writer"
	r := rolesOf(says, reader(), writer)
	s, err := r.Assume(t.Context(), asking(func(q *Request) { q.Duration = time.Hour }))
	if err != nil || s.Token != "t" || s.Name != "after" || s.AccessKey != "" || s.Subject != "alice" || s.Tags["k"] != "v" ||
		!slices.Equal(s.Policies, []string{"a", "b"}) || !s.Expires.Equal(held.Expires) {
		t.Errorf("got %+v, %v", s, err)
	}
	if !s.Since.Equal(held.Since) || !slices.Equal(s.From, []string{"ASIA"}) || s.Caller != "ci-1" {
		t.Errorf("what ends the session that was held does not end %+v", s)
	}
	held.Named = true
	if s, err := r.Assume(t.Context(), asking(func(*Request) {})); err != nil || s.Name != "before" {
		t.Errorf("it has another name than the owner's: %+v, %v", s, err)
	}
	if len(held.Policies) != 1 || held.Name != "before" {
		t.Errorf("the session that was held has changed: %+v", held)
	}
	if s, _ := r.Assume(t.Context(), asking(func(q *Request) { q.Duration = time.Minute })); !s.Expires.Equal(now.Add(time.Minute)) {
		t.Errorf("it ends at %v", s.Expires)
	}
	for name, c := range map[string]struct {
		change func(*Request)
		want   string
	}{
		"another role":            {func(q *Request) { q.Role = "writer" }, "AccessDenied"},
		"no role":                 {func(q *Request) { q.Role = "" }, "AccessDenied"},
		"tags":                    {func(q *Request) { q.Tags = map[string]string{"project": "p"} }, "AccessDenied"},
		"another source identity": {func(q *Request) { q.SourceIdentity = "x" }, "AccessDenied"},
		"too many policies":       {func(q *Request) { q.Policies = []string{"b", "c", "d"} }, "ValidationError"},
	} {
		if s, err := r.Assume(t.Context(), asking(c.change)); code(err) != c.want {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	if s, err := rolesOf(nil).Assume(t.Context(), asking(func(*Request) {})); code(err) != "AccessDenied" {
		t.Errorf("a role that is gone: %+v, %v", s, err)
	}
}

func TestASessionIsAsOldAsTheWishForIt(t *testing.T) {
	clock := now
	slow := func(context.Context, *callbacks.RoleQuestion) (callbacks.RoleAnswer, error) {
		clock = clock.Add(10 * time.Second)
		return callbacks.RoleAnswer{Assumed: true, Name: "owners"}, nil
	}
	r := New(Settings{Roles: map[string]*Role{"reader": reader()}}, slow, Options{Now: func() time.Time { return clock }})
	q := bySignature("ci-1")
	s, err := r.Assume(t.Context(), q)
	if err != nil || !s.Since.Equal(now) || s.Caller != "ci-1" || !s.Named {
		t.Errorf("got %+v, %v", s, err)
	}
	q.Since = now.Add(-time.Second)
	if s, err := r.Assume(t.Context(), q); err != nil || !s.Since.Equal(q.Since) {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestKeysForAWhileGetNoneForLonger(t *testing.T) {
	var seen time.Time
	r := rolesOf(func(q *callbacks.RoleQuestion) (callbacks.RoleAnswer, error) {
		seen = q.CallerExpires
		return callbacks.RoleAnswer{Assumed: true}, nil
	}, reader())
	for name, c := range map[string]struct {
		ends time.Time
		want time.Duration // zero: AccessDenied
	}{
		"soon": {now.Add(time.Minute), time.Minute}, "later": {now.Add(3 * time.Hour), 2 * time.Hour}, "now": {now, 0}, "not said": {time.Time{}, longestUnsaid},
	} {
		q := bySignature("ci-1")
		q.Duration, q.Caller.Temporary, q.Caller.Expires = 2*time.Hour, true, c.ends
		s, err := r.Assume(t.Context(), q)
		if c.want == 0 && code(err) != "AccessDenied" || c.want > 0 && (err != nil || s.Expires.Sub(now) != c.want) || !seen.Equal(c.ends) {
			t.Errorf("%s: %v, %v; the callback sees %v", name, s.Expires.Sub(now), err, seen)
		}
	}
}

func TestATokenOfARoleHasNamesThatNoClientChooses(t *testing.T) {
	for _, wrong := range []string{"{name}", "{", "}", "a{role", "role}", "{role}{tag}", "{{role}}", "{}"} {
		if _, err := ParseToken(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
	if got := tokenOf("a/{role}/{subject}/{issuer}").of("r", "{issuer}", "i"); got != "a/r/{issuer}/i" {
		t.Errorf("got %q", got)
	}
	if !tokenOf("{subject}").Has("subject") || tokenOf("subject").Has("subject") {
		t.Error("a name is not told from a text")
	}
}

func TestNoSubjectCanHaveTheTokenOfSomebodyElse(t *testing.T) {
	role := func(name, token, keys string, issuers ...string) *Role {
		r := &Role{Name: name, Token: tokenOf(token), Issuers: issuers}
		if keys != "" {
			r.Keys = patterns(keys)
		}
		return r
	}
	const a, sub, b = "https://a", "https://a/sub", "https://b"
	for name, c := range map[string]struct {
		roles []*Role
		want  string // whose token is refused; empty: nobody's
	}{
		"one issuer":                     {[]*Role{role("r", "{subject}", "", a)}, ""},
		"one issuer, twice the subject":  {[]*Role{role("r", "{subject}/{subject}", "", a)}, ""},
		"two issuers":                    {[]*Role{role("r", "u-{subject}", "", a, b)}, "r"},
		"keys beside an issuer":          {[]*Role{role("r", "u-{subject}", "*", a)}, "r"},
		"everybody":                      {[]*Role{role("r", "{role}", "*", a, b)}, ""},
		"issuers alone":                  {[]*Role{role("r", "{issuer}", "*", a, sub)}, ""},
		"two issuers that are named":     {[]*Role{role("r", "{issuer}{subject}", "", a, b)}, ""},
		"one below the other":            {[]*Role{role("r", "{issuer}/{subject}", "", a, sub)}, "r"},
		"one below the other, separated": {[]*Role{role("r", "{issuer}#{subject}", "*", sub, a)}, ""},
		"named at the end":               {[]*Role{role("r", "{subject}@{issuer}", "*", a, sub)}, ""},
		"one at the end of the other":    {[]*Role{role("r", "{subject}{issuer}", "", b, "https://a/x"+b)}, "r"},
		"keys that may end so":           {[]*Role{role("r", "{subject}{issuer}", "*", a)}, "r"},
		"the same people in two roles":   {[]*Role{role("r", "u-{subject}", "", a), role("s", "u-{subject}", "", a)}, ""},
		"others in two roles":            {[]*Role{role("r", "u-{subject}", "", a), role("s", "u-{subject}", "", b)}, "r"},
		"roles that begin alike":         {[]*Role{role("r", "{role}/{subject}", "", a), role("r/s", "{role}/{subject}", "", a)}, "r"},
		"roles of two names":             {[]*Role{role("r", "{role}/{subject}", "", a), role("s", "{role}/{subject}", "", b)}, ""},
		"one who can be called a role":   {[]*Role{role("r", "{subject}", "", a), role("s", "{role}", "*")}, "r"},
		"one who can't":                  {[]*Role{role("r", "u-{subject}", "", a), role("s", "u-", "*")}, ""},
		"a text between":                 {[]*Role{role("r", "u-{subject}-x", "", a), role("s", "u-bob-x", "*"), role("t", "u-x", "*")}, "r"},
		"another end":                    {[]*Role{role("r", "u-{subject}-x", "", a), role("s", "u-bob-y", "*"), role("t", "u-x", "*")}, ""},
	} {
		all := map[string]*Role{}
		for _, r := range c.roles {
			all[r.Name] = r
		}
		confused := Confused(all)
		if _, found := confused[c.want]; found != (c.want != "") || len(confused) > 1 || len(confused) == 1 && !found {
			t.Errorf("%s: %v", name, confused)
		}
	}
}

func TestUpdatesHoldAtOnce(t *testing.T) {
	r := rolesOf(nil, reader())
	r.Update(func(s Settings) Settings {
		s.Roles = map[string]*Role{"writer": {Name: "writer"}}
		return s
	})
	if _, err := r.Assume(t.Context(), byToken(person())); code(err) != "AccessDenied" {
		t.Errorf("got %v", err)
	}
	if _, err := r.Verify(t.Context(), "x"); !errors.Is(err, identity.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}
