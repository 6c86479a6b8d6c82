package roles

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"osp/go/identity"
	"osp/go/identity/identitytest"
	"osp/go/s3err"
)

func bearersOf(t testing.TB, at *time.Time) (*Roles, *identitytest.Issuer) {
	issuer := identitytest.New(t)
	role := reader()
	role.Issuers, role.Claims, role.Max = []string{issuer.URL}, nil, 2*time.Hour
	settings := Settings{Issuers: []identity.Issuer{{URL: issuer.URL, Audiences: []string{"s3"}}}, Roles: map[string]*Role{"reader": role}}
	return New(settings, nil, Options{Now: func() time.Time { return *at }}), issuer
}

func claimsOf(issuer *identitytest.Issuer, at time.Time, life time.Duration) map[string]any {
	return map[string]any{"iss": issuer.URL, "sub": "alice", "aud": "s3", "iat": at.Unix(), "exp": at.Add(life).Unix()}
}

func TestATokensSessionIsAsOldAsTheTokenAndEndsWithIt(t *testing.T) {
	at := now
	r, issuer := bearersOf(t, &at)
	raw := issuer.Token(t, claimsOf(issuer, now, 10*time.Minute))
	at = now.Add(time.Minute)
	first, err := r.Bearer(t.Context(), raw, "reader", "")
	if err != nil || !first.Since.Equal(now) || !first.Expires.Equal(now.Add(10*time.Minute)) || first.Token != "reader:"+issuer.URL+"#alice" {
		t.Fatalf("got %+v, %v", first, err)
	}
	if again, _ := r.Bearer(t.Context(), raw, "reader", ""); again != first {
		t.Error("it is not kept")
	}
	if other, _ := r.Bearer(t.Context(), raw, "reader", "192.0.2.1"); other == first {
		t.Error("it is kept for another client")
	}
	r.Forget()
	if again, _ := r.Bearer(t.Context(), raw, "reader", ""); again == first || !again.Since.Equal(first.Since) {
		t.Error("it has outlived a revocation, or is younger than its token")
	}
	at = now.Add(10 * time.Minute)
	if s, err := r.Bearer(t.Context(), raw, "reader", ""); code(err) != "ExpiredToken" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestATokenFromAClockThatIsAheadIsNoYoungerThanItsFirstRequest(t *testing.T) {
	at := now
	r, issuer := bearersOf(t, &at)
	s, err := r.Bearer(t.Context(), issuer.Token(t, claimsOf(issuer, now.Add(20*time.Second), time.Hour)), "reader", "")
	if err != nil || !s.Since.Equal(now) {
		t.Errorf("got %+v, %v", s, err)
	}
}

func BenchmarkBearerThatIsKnown(b *testing.B) {
	at := now
	r, issuer := bearersOf(b, &at)
	raw := issuer.Token(b, claimsOf(issuer, now, time.Hour))
	if _, err := r.Bearer(b.Context(), raw, "reader", "192.0.2.1"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_, _ = r.Bearer(b.Context(), raw, "reader", "192.0.2.1")
	}
}

func TestATokenThatIsNoGoodHasNoSession(t *testing.T) {
	at := now
	r, issuer := bearersOf(t, &at)
	raw := issuer.Token(t, claimsOf(issuer, now, time.Minute))
	future := claimsOf(issuer, now.Add(time.Hour), time.Hour)
	for name, c := range map[string]struct{ raw, role, want string }{
		"another role":    {raw, "writer", "AccessDenied"},
		"no token":        {"x", "reader", "InvalidToken"},
		"from the future": {issuer.Token(t, future), "reader", "InvalidToken"},
		"expired":         {issuer.Token(t, claimsOf(issuer, now.Add(-time.Hour), time.Minute)), "reader", "ExpiredToken"},
	} {
		if s, err := r.Bearer(t.Context(), c.raw, c.role, ""); code(err) != c.want {
			t.Errorf("%s: %+v, %v", name, s, err)
		} else if said := s3err.From(err).Message; strings.Contains(said, "sts:") || said == "" {
			t.Errorf("%s: the client hears %q", name, said)
		}
	}
	issuer.Serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	r.Update(func(s Settings) Settings { return Settings{Roles: s.Roles} })
	r.Update(func(s Settings) Settings {
		return Settings{Issuers: []identity.Issuer{{URL: issuer.URL, Audiences: []string{"s3"}}}, Roles: s.Roles}
	})
	if s, err := r.Bearer(t.Context(), raw, "reader", ""); code(err) != "ServiceUnavailable" {
		t.Errorf("away: %+v, %v", s, err)
	}
}
