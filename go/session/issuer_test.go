package session

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"osp/go/seal"
	"osp/go/secret"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func ringOf(tb testing.TB, ids ...string) seal.Keyring {
	tb.Helper()
	var texts []secret.Value
	for _, id := range ids {
		raw := make([]byte, 32)
		copy(raw, id)
		texts = append(texts, secret.New(id+":"+base64.StdEncoding.EncodeToString(raw)))
	}
	ring, _, err := seal.ParseKeyring(texts)
	if err != nil {
		tb.Fatal(err)
	}
	return ring
}

const narrow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::photos/a/*"}]}`

func alice() Session {
	return Session{
		Role: "analyst", Configured: true, Name: "laptop", Token: "alice", Issuer: "https://issuer.example", Subject: "a1",
		Claims: map[string][]string{"groups": {"staff", "data"}, "none": nil}, Tags: map[string]string{"team": "blue"},
		SourceIdentity: "alice@example.com", Caller: "client", Pair: "\x00\xff", Policies: []string{narrow}, Expires: noon.Add(time.Hour),
	}
}

func issue(tb testing.TB, i *Issuer, s Session) Keys {
	tb.Helper()
	keys, percent, err := i.Issue(s)
	if err != nil || percent < 1 || percent > 100 {
		tb.Fatal(percent, err)
	}
	return keys
}

func TestASessionIsOpenedAsItWasIssued(t *testing.T) {
	for name, s := range map[string]Session{
		"everything":    alice(),
		"a token alone": {Token: "bob", Expires: noon.Add(time.Second)},
		"no policy":     {Token: "bob", Role: "r", Expires: noon.Add(time.Second), Claims: map[string][]string{"": {""}}},
	} {
		keys := issue(t, New(ringOf(t, "k1"), at(noon)), s)
		got, key, err := New(ringOf(t, "k1"), at(noon)).Open(keys.AccessKey, keys.Token.Reveal())
		if err != nil || !key.Equal(keys.Secret) {
			t.Fatalf("%s: %v, the same secret: %v", name, err, key.Equal(keys.Secret))
		}
		s.AccessKey, s.Issued, s.Since = keys.AccessKey, noon, noon
		if s.Digest() != got.Digest() {
			t.Errorf("%s: its digest hangs on how it was made", name)
		}
		opened := *got
		opened.digest = s.digest
		if !reflect.DeepEqual(opened, s) {
			t.Errorf("%s: got %+v, want %+v", name, opened, s)
		}
	}
}

func TestKeysLookLikeThoseOfAWS(t *testing.T) {
	i := New(ringOf(t, "k1"), at(noon))
	a, b := issue(t, i, alice()), issue(t, i, alice())
	if !regexp.MustCompile(`^ASIA[A-Z2-7]{16}$`).MatchString(a.AccessKey) || len(a.Secret.Reveal()) != 40 {
		t.Errorf("%q and a secret of %d characters", a.AccessKey, len(a.Secret.Reveal()))
	}
	if !regexp.MustCompile(`^[A-Za-z0-9._-]+$`).MatchString(a.Token.Reveal()) || !Ours(a.Token.Reveal()) {
		t.Error("the token has characters that URLs escape, or not our form")
	}
	if a.AccessKey == b.AccessKey || a.Secret.Equal(b.Secret) || a.Token.Equal(b.Token) {
		t.Error("two sessions share something")
	}
	if text := fmt.Sprintf("%v %+v %#v", a, a, i); strings.Contains(text, a.Secret.Reveal()) || strings.Contains(text, a.Token.Reveal()) {
		t.Error("keys print")
	}
}

func TestWhatIsNoSessionIsNotIssued(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Session)
		want   error
	}{
		"without a token":         {func(s *Session) { s.Token = "" }, errNoToken},
		"over at once":            {func(s *Session) { s.Expires = noon.Add(time.Nanosecond) }, errNoTime},
		"four policies":           {func(s *Session) { s.Policies = make([]string, 4) }, errPolicies},
		"policies of 8 KiB":       {func(s *Session) { s.Policies = []string{strings.Repeat(" ", 4<<10), strings.Repeat(" ", 4<<10+1)} }, ErrTooLarge},
		"a claim that takes 4 KB": {func(s *Session) { s.Claims["long"] = []string{noise(3 << 10)} }, ErrTooLarge},
	} {
		s := alice()
		c.change(&s)
		if _, _, err := New(ringOf(t, "k1"), at(noon)).Issue(s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// noise can't be deflated.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func TestATokenOf254BytesOfClaimsIsShort(t *testing.T) {
	s := Session{Token: "alice", Claims: map[string][]string{"c": {noise(254)}}, Expires: noon.Add(time.Hour)}
	if keys := issue(t, New(ringOf(t, "k1"), at(noon)), s); len(keys.Token.Reveal()) > 500 {
		t.Errorf("%d characters", len(keys.Token.Reveal()))
	}
}

func TestOnlyWhatWasIssuedForAnAccessKeyOpens(t *testing.T) {
	i := New(ringOf(t, "k1"), at(noon))
	a, b := issue(t, i, alice()), issue(t, i, alice())
	token := a.Token.Reveal()
	for name, c := range map[string][2]string{
		"another's access key": {b.AccessKey, token},
		"no access key":        {"", token},
		"a longer access key":  {a.AccessKey + "A", token},
		"another version":      {a.AccessKey, strings.Replace(token, form+version, form+"2.", 1)},
		"no version":           {a.AccessKey, strings.Replace(token, form+version, form, 1)},
		"no form":              {a.AccessKey, strings.TrimPrefix(token, form+version)},
		"a line's end":         {a.AccessKey, token + "\n"},
		"padding":              {a.AccessKey, token + "="},
		"one more character":   {a.AccessKey, token + "A"},
		"nothing":              {a.AccessKey, ""},
		"the form alone":       {a.AccessKey, form + version},
		"too long":             {a.AccessKey, token + strings.Repeat("A", longest)},
	} {
		if _, _, err := i.Open(c[0], c[1]); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range len(token) {
		if _, _, err := i.Open(a.AccessKey, token[:n]); !errors.Is(err, ErrInvalid) {
			t.Fatalf("%d characters: %v", n, err)
		}
		changed := []byte(token)
		changed[n] ^= 1
		if _, _, err := i.Open(a.AccessKey, string(changed)); !errors.Is(err, ErrInvalid) {
			t.Fatalf("another character %d: %v", n, err)
		}
	}
	if _, _, err := i.Open(a.AccessKey, token); err != nil {
		t.Error("the token itself:", err)
	}
}

func TestASessionLivesAsLongAsItsKeyOfTheRing(t *testing.T) {
	keys := issue(t, New(ringOf(t, "k1"), at(noon)), alice())
	for name, c := range map[string]struct {
		ring seal.Keyring
		want error
	}{
		"a new key seals":           {ringOf(t, "k2", "k1"), nil},
		"the old key is gone":       {ringOf(t, "k2"), ErrInvalid},
		"a process has its own key": {seal.RandomKeyring(), ErrInvalid},
	} {
		_, key, err := New(c.ring, at(noon)).Open(keys.AccessKey, keys.Token.Reveal())
		if !errors.Is(err, c.want) || err == nil && !key.Equal(keys.Secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	one, other := seal.RandomKeyring(), seal.RandomKeyring()
	keys = issue(t, New(one, at(noon)), alice())
	if _, _, err := New(other, at(noon)).Open(keys.AccessKey, keys.Token.Reveal()); !errors.Is(err, ErrInvalid) {
		t.Error("two processes share a key:", err)
	}
}

func TestASessionEndsToTheMoment(t *testing.T) {
	now := noon
	i := New(ringOf(t, "k1"), func() time.Time { return now })
	keys := issue(t, i, alice())
	for _, c := range []struct {
		at   time.Time
		want error
	}{
		{keys.Expires.Add(-time.Nanosecond), nil}, {keys.Expires, ErrExpired}, {noon, nil},
	} {
		now = c.at
		if _, _, err := i.Open(keys.AccessKey, keys.Token.Reveal()); !errors.Is(err, c.want) {
			t.Errorf("open at %v: %v", c.at, err)
		}
		if _, _, err := New(ringOf(t, "k1"), at(c.at)).Open(keys.AccessKey, keys.Token.Reveal()); !errors.Is(err, c.want) {
			t.Errorf("opened the first time at %v: %v", c.at, err)
		}
	}
}

func TestDigestsTellSessionsApart(t *testing.T) {
	seen := map[[32]byte]string{}
	for name, change := range map[string]func(*Session){
		"itself":          func(*Session) {},
		"role":            func(s *Session) { s.Role = "x" },
		"configured":      func(s *Session) { s.Configured = false },
		"name":            func(s *Session) { s.Name = "x" },
		"token":           func(s *Session) { s.Token = "x" },
		"issuer":          func(s *Session) { s.Issuer = "x" },
		"subject":         func(s *Session) { s.Subject = "x" },
		"source identity": func(s *Session) { s.SourceIdentity = "x" },
		"access key":      func(s *Session) { s.AccessKey = "x" },
		"issued":          func(s *Session) { s.Issued = noon },
		"expires":         func(s *Session) { s.Expires = noon },
		"since":           func(s *Session) { s.Since = noon },
		"from":            func(s *Session) { s.From = []string{"x"} },
		"caller":          func(s *Session) { s.Caller = "x" },
		"named":           func(s *Session) { s.Named = true },
		"claims":          func(s *Session) { s.Claims = map[string][]string{"groups": {"staffdata"}} },
		"tags":            func(s *Session) { s.Tags = map[string]string{"teamblue": ""} },
		"policies":        func(s *Session) { s.Policies = nil },
	} {
		s := alice()
		change(&s)
		if other, ok := seen[s.Digest()]; ok {
			t.Errorf("%s and %s are one", name, other)
		}
		seen[s.Digest()] = name
	}
}
