package roles

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"osp/go/access"
	"osp/go/callbacks"
)

// always gives the same answer, and counts.
func always(a callbacks.RoleAnswer, err error, asked *int) answer {
	return func(*callbacks.RoleQuestion) (callbacks.RoleAnswer, error) {
		*asked++
		return a, err
	}
}

var yes = callbacks.RoleAnswer{Assumed: true}

const bound = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}`

func TestTheCallbackNarrowsWhatARoleSays(t *testing.T) {
	var asked int
	r := rolesOf(always(callbacks.RoleAnswer{
		Assumed: true, Name: "n", Token: "t", Claims: map[string][]string{"c": {"v"}}, Tags: map[string]string{}, Policy: bound, Length: time.Minute,
	}, nil, &asked), reader())
	q := byToken(person())
	q.Policies, q.Tags = []string{"a"}, map[string]string{"project": "p"}
	s, err := r.Assume(t.Context(), q)
	if err != nil || s.Name != "n" || s.Token != "t" || s.Role != "reader" || s.Subject != "alice" || len(s.Tags) != 0 ||
		!maps.EqualFunc(s.Claims, map[string][]string{"c": {"v"}}, slices.Equal) || !slices.Equal(s.Policies, []string{"a", bound}) || !s.Expires.Equal(now.Add(time.Minute)) {
		t.Errorf("got %+v, %v", s, err)
	}
	longer := rolesOf(always(callbacks.RoleAnswer{Assumed: true, Length: 9 * time.Hour}, nil, &asked), reader())
	if s, err := longer.Assume(t.Context(), byToken(person())); err != nil || !s.Expires.Equal(now.Add(time.Hour)) || s.Token != "reader:https://issuer#alice" || s.Claims == nil {
		t.Errorf("got %+v, %v", s, err)
	}
	tooLong := byToken(person())
	tooLong.Duration = Longest
	if _, err := longer.Assume(t.Context(), tooLong); code(err) != "ValidationError" {
		t.Errorf("longer than the role allows: %v", err)
	}
	refuses := rolesOf(always(callbacks.RoleAnswer{}, nil, &asked), reader())
	if _, err := refuses.Assume(t.Context(), tooLong); code(err) != "AccessDenied" {
		t.Errorf("whom the callback refuses learns of the bounds: %v", err)
	}
	asked = 0
	stranger := person()
	stranger.Subject = "mallory"
	if _, err := r.Assume(t.Context(), byToken(stranger)); code(err) != "AccessDenied" || asked != 0 {
		t.Errorf("whom the role is not for: %v, asked %d times", err, asked)
	}
}

func TestARoleThatIsNotConfiguredIsTheCallbacksAlone(t *testing.T) {
	var asked int
	r := rolesOf(always(callbacks.RoleAnswer{Assumed: true, Token: "own"}, nil, &asked), reader())
	silent := rolesOf(always(yes, nil, &asked), reader())
	for name, c := range map[string]struct {
		q    *Request
		want string // its token, if the answer names none; empty: nobody gets one
	}{
		"by a token":       {&Request{Action: "AssumeRoleWithWebIdentity", Role: "own", SessionName: "job", Identity: person(), Tags: map[string]string{"k": "v"}}, ""},
		"by a signature":   {&Request{Action: "AssumeRole", Role: "own", Caller: &access.Principal{AccessKey: "bob"}}, ""},
		"without any role": {&Request{Action: "GetSessionToken", Caller: &access.Principal{AccessKey: "bob"}}, "bob"},
	} {
		s, err := r.Assume(t.Context(), c.q)
		if err != nil || s.Token != "own" || s.Role != c.q.Role || s.Configured || len(s.Tags) != 0 || !s.Expires.Equal(now.Add(time.Hour)) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if s, err := silent.Assume(t.Context(), c.q); s.Token != c.want || (code(err) == "AccessDenied") != (c.want == "") {
			t.Errorf("%s, without a token of its own: %+v, %v", name, s, err)
		}
	}
	if _, err := r.Assume(t.Context(), &Request{Role: "own", Caller: &access.Principal{}}); code(err) != "AccessDenied" {
		t.Errorf("nobody: %v", err)
	}
}

// What the owner says to narrow a role must not give it away when it is gone.
func TestARoleThatIsTakenAwayIsNotEverybodys(t *testing.T) {
	var asked []bool
	r := rolesOf(func(q *callbacks.RoleQuestion) (callbacks.RoleAnswer, error) {
		asked = append(asked, q.Configured)
		return callbacks.RoleAnswer{Assumed: q.Role == "reader"}, nil
	}, reader())
	if s, err := r.Assume(t.Context(), byToken(person())); err != nil || !s.Configured {
		t.Fatalf("got %+v, %v", s, err)
	}
	r.Update(func(s Settings) Settings { return Settings{Issuers: s.Issuers} })
	if s, err := r.Assume(t.Context(), byToken(person())); code(err) != "AccessDenied" {
		t.Errorf("a role that was taken away: %+v, %v", s, err)
	}
	if !slices.Equal(asked, []bool{true, false}) {
		t.Errorf("asked about a configured role: %v; an answer must not serve for both", asked)
	}
}

func TestWhatIsNoAnswerRefuses(t *testing.T) {
	raised := errors.New("raised")
	for name, c := range map[string]struct {
		answer callbacks.RoleAnswer
		err    error
		want   string
	}{
		"no":                  {callbacks.RoleAnswer{}, nil, "AccessDenied"},
		"an exception":        {yes, raised, "AccessDenied"},
		"too late":            {yes, callbacks.ErrOverloaded, "SlowDown"},
		"half a policy":       {callbacks.RoleAnswer{Assumed: true, Policy: "{"}, nil, "AccessDenied"},
		"too long a token":    {callbacks.RoleAnswer{Assumed: true, Token: string(make([]byte, maxText+1))}, nil, "AccessDenied"},
		"one policy too much": {callbacks.RoleAnswer{Assumed: true, Policy: bound}, nil, "ValidationError"},
	} {
		var asked int
		q := byToken(person())
		q.Policies = []string{"a", "b", "c"}
		if s, err := rolesOf(always(c.answer, c.err, &asked), reader()).Assume(t.Context(), q); code(err) != c.want || asked != 1 {
			t.Errorf("%s: %+v, %v, asked %d times", name, s, err, asked)
		}
	}
}

func TestAnswersAreKeptByAllThatIsSeen(t *testing.T) {
	var asked int
	r := rolesOf(always(yes, nil, &asked), reader())
	ask := func(want int, change func(*Request)) {
		t.Helper()
		q := byToken(person())
		change(q)
		if _, err := r.Assume(t.Context(), q); err != nil || asked != want {
			t.Errorf("asked %d times, want %d: %v", asked, want, err)
		}
	}
	ask(1, func(*Request) {})
	ask(1, func(*Request) {})
	ask(2, func(q *Request) { q.SessionName = "other" })
	ask(3, func(q *Request) { q.ClientIP = "192.0.2.1" })
	ask(4, func(q *Request) { q.Identity.Claims["more"] = true })
	ask(5, func(q *Request) { q.Duration = time.Hour })
	ask(6, func(q *Request) { q.Tags = map[string]string{"project": "p"} })
	ask(6, func(q *Request) { q.Policies = []string{"{}"} }) // which it does not see
	r.Forget()
	ask(7, func(*Request) {})
}
