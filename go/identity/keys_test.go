package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"osp/go/identity/identitytest"
)

func TestAKnownKeyIsNotAskedForAgain(t *testing.T) {
	s := newScene(t)
	for range 10 {
		s.want("good", s.Token(t, s.claims(nil)), nil)
	}
	if n := s.Asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestUnknownKeysAreAskedForOnceInHalfAMinute(t *testing.T) {
	s := newScene(t)
	s.want("good", s.Token(t, s.claims(nil)), nil)
	fresh := identitytest.Key(t, "second")
	rotated := identitytest.Sign(t, fresh, s.claims(nil))
	for i := range 20 {
		s.want("unknown", identitytest.Sign(t, identitytest.Key(t, fmt.Sprint("k", i)), s.claims(nil)), ErrInvalid)
	}
	s.Publish(fresh)
	s.want("too soon", rotated, ErrInvalid)
	if n := s.Asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	s.clock.Time = s.clock.Add(betweenAsking)
	s.want("after half a minute", rotated, nil)
	if n := s.Asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestFewTokensWaitForOneIssuer(t *testing.T) {
	s := newScene(t)
	set := s.issuers[s.URL].keys
	for range mostWaiting {
		if !set.join() {
			t.Fatal("they are too many")
		}
	}
	s.want("one too many", s.Token(t, s.claims(nil)), ErrAway)
	s.awaitFetch()
	s.want("one that need not wait", s.Token(t, s.claims(nil)), nil)
	set.leave()
	s.clock.Time = s.clock.Add(betweenAsking)
	s.want("in the place of one who has left", identitytest.Sign(t, identitytest.Key(t, "k"), s.claims(nil)), ErrInvalid)
	if set.queue != mostWaiting-1 {
		t.Errorf("%d wait", set.queue)
	}
}

func TestAKeyThatWasTakenBackEnds(t *testing.T) {
	s := newScene(t)
	old := s.Token(t, s.claims(nil))
	s.want("good", old, nil)
	s.Publish(identitytest.Key(t, "second"))
	s.clock.Time = s.clock.Add(refreshAfter + time.Second)
	s.want("the one that has the keys renewed", old, nil)
	s.awaitFetch()
	s.want("the next", old, ErrInvalid)
}

// awaitFetch waits for the one that is under way, if any.
func (s *scene) awaitFetch() {
	set := s.issuers[s.URL].keys
	set.mu.Lock()
	under := set.under
	set.mu.Unlock()
	if under != nil {
		<-under.ended
	}
}

func TestTheLastGoodKeysStayWhileTheIssuerIsAway(t *testing.T) {
	s := newScene(t)
	good := s.Token(t, s.claims(nil))
	s.want("good", good, nil)
	s.Serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	for range 3 {
		s.clock.Time = s.clock.Add(refreshAfter + time.Second)
		s.want("away", good, nil)
		s.awaitFetch()
	}
	if s.Asked.Load() < 3 {
		t.Error("nobody has tried")
	}
}

func TestAnIssuerThatIsAwayIsToldApartAndTriedAgainSoon(t *testing.T) {
	s := newScene(t)
	s.Serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	good := s.Token(t, s.claims(nil))
	for range 10 {
		s.want("away", good, ErrAway)
	}
	if n := s.Asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	s.Serve(nil)
	s.clock.Time = s.clock.Add(betweenTrying)
	s.want("back", good, nil)
}

func TestManyTokensCauseOneQuestion(t *testing.T) {
	s := newScene(t)
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	s.Serve(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answer
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: s.PublicKeys()})
	})
	good := s.Token(t, s.claims(nil))
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() { s.want("good", good, nil) })
	}
	<-asked
	close(answer)
	wait.Wait()
	if n := s.Asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestNobodyIsAskedForWhatCouldNotBeUsed(t *testing.T) {
	s := newScene(t)
	s.want("another audience", s.Token(t, s.claims(map[string]any{"aud": "elsewhere"})), ErrInvalid)
	s.want("expired", s.Token(t, s.claims(map[string]any{"exp": 1})), ErrExpired)
	s.want("no spelling", "a.b.c", ErrInvalid)
	if n := s.Asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestAnswersThatAreNoKeysAreAnIssuerThatIsAway(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("this Go makes no short keys:", err)
	}
	text := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	set := func(keys ...jose.JSONWebKey) http.HandlerFunc {
		data, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		return text(string(data))
	}
	key := identitytest.Key(t, "first")
	forEncryption := key.Public()
	forEncryption.Use = "enc"
	first := key.Public()
	for name, serve := range map[string]http.HandlerFunc{
		"garbage":              text("<html>"),
		"nothing":              text(""),
		"null":                 text("null"),
		"no list":              text(`{"keys": {}}`),
		"an empty list":        text(`{"keys": []}`),
		"a secret key":         set(jose.JSONWebKey{Key: []byte("sesame"), KeyID: "first"}),
		"a short key":          set(jose.JSONWebKey{Key: &small.PublicKey, KeyID: "first"}),
		"a key for encryption": set(forEncryption),
		"too many keys":        text(`{"keys": [` + strings.Repeat("{},", maxKeys) + `{}]}`),
		"a huge answer": func(w http.ResponseWriter, r *http.Request) {
			set(first)(w, r)
			chunk := bytes.Repeat([]byte(" "), 64<<10)
			for range 2 * maxDocument / len(chunk) {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
		"a redirect":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"a broken answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.Publish(key)
			s.Serve(serve)
			s.want(name, s.Token(t, s.claims(nil)), ErrAway)
		})
	}
}

func TestAPrivateKeyAmongPublicOnesIsPassedOver(t *testing.T) {
	s := newScene(t)
	leaked := identitytest.Key(t, "leaked")
	data, _ := json.Marshal(jose.JSONWebKeySet{Keys: append(s.PublicKeys(), leaked)})
	s.Serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) })
	s.want("good", s.Token(t, s.claims(nil)), nil)
	s.want("leaked", identitytest.Sign(t, leaked, s.claims(nil)), ErrInvalid)
}

func TestADiscoveryDocumentIsItsIssuersOwn(t *testing.T) {
	for name, document := range map[string]string{
		"another issuer":    `{"issuer": "https://elsewhere.example", "jwks_uri": "URL/keys"}`,
		"no issuer":         `{"jwks_uri": "URL/keys"}`,
		"no keys":           `{"issuer": "URL"}`,
		"keys without TLS":  `{"issuer": "URL", "jwks_uri": "http://192.0.2.1/keys"}`,
		"keys in a file":    `{"issuer": "URL", "jwks_uri": "file:///etc/passwd"}`,
		"keys with a login": `{"issuer": "URL", "jwks_uri": "https://a:b@127.0.0.1/keys"}`,
		"garbage":           `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.Server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/keys" {
					t.Error("its keys were asked for")
				}
				_, _ = w.Write([]byte(strings.ReplaceAll(document, "URL", s.URL)))
			})
			s.want(name, s.Token(t, s.claims(nil)), ErrAway)
		})
	}
}

func TestWhoeverWaitsForKeysMayLeave(t *testing.T) {
	s := newScene(t)
	left := make(chan struct{})
	s.Serve(func(http.ResponseWriter, *http.Request) {
		<-left
		panic(http.ErrAbortHandler)
	})
	defer close(left)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, err := s.Verify(ctx, s.Token(t, s.claims(nil))); err != ctx.Err() {
		t.Errorf("got %v", err)
	}
}

func TestIssuersThatStayKeepTheirKeys(t *testing.T) {
	s := newScene(t)
	s.want("good", s.Token(t, s.claims(nil)), nil)
	same := Issuer{URL: s.URL, Audiences: []string{"s3", "other"}}
	s.Verifier = s.With([]Issuer{same, {URL: "https://elsewhere.example"}})
	s.want("as before", s.Token(t, s.claims(nil)), nil)
	if n := s.Asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	same.Audiences = []string{"other"}
	s.Verifier = s.With([]Issuer{same})
	s.want("another audience", s.Token(t, s.claims(nil)), ErrInvalid)
	s.Verifier = s.With(nil)
	s.want("gone", s.Token(t, s.claims(nil)), ErrInvalid)
}

func TestAnIssuerMayWantToKnowWhoAsks(t *testing.T) {
	s := newScene(t)
	file := filepath.Join(t.TempDir(), "token")
	s.Verifier = s.With([]Issuer{{URL: s.URL, Audiences: []string{"s3"}, TokenFile: file}})
	s.Serve(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sesame" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if !strings.Contains(r.Header.Get("Accept"), "application/jwk-set+json") { // as Kubernetes has it
			w.WriteHeader(http.StatusNotAcceptable)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: s.PublicKeys()})
	})
	good := s.Token(t, s.claims(nil))
	s.want("no file", good, ErrAway)
	for text, want := range map[string]error{"wrong": ErrAway, "ses\name": ErrAway, "": ErrAway, "sesame\n": nil} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Verifier = s.With(nil).With([]Issuer{{URL: s.URL, Audiences: []string{"s3"}, TokenFile: file}})
		s.want(fmt.Sprintf("%q", text), good, want)
	}
}

func TestOnlyTheIssuerIsShownOurToken(t *testing.T) {
	s := newScene(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("sesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r.Header.Get("Authorization")
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: s.PublicKeys()})
	}))
	defer elsewhere.Close()
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer": "http://%s", "jwks_uri": %q}`, r.Host, elsewhere.URL+"/keys")
	}))
	defer issuer.Close()
	good := s.Token(t, s.claims(map[string]any{"iss": issuer.URL}))
	s.Verifier = s.With([]Issuer{{URL: issuer.URL, Audiences: []string{"s3"}, TokenFile: file}})
	s.want("where a document says", good, ErrAway)
	if got := <-shown; got != "" {
		t.Errorf("the token was shown: %q", got)
	}
	s.Verifier = s.With(nil).With([]Issuer{{URL: issuer.URL, Audiences: []string{"s3"}, TokenFile: file, JWKS: elsewhere.URL + "/keys"}})
	s.want("where the configuration says", good, nil)
	if got := <-shown; got != "Bearer sesame" {
		t.Errorf("the token was not shown: %q", got)
	}
}

func TestKeysComeFromNowhereElse(t *testing.T) {
	for text, good := range map[string]bool{
		"https://a.example": true, "https://a.example/realms/x": true, "http://127.0.0.1:8080": true, "http://[::1]/x": true, "http://localhost/x": true,
		"http://a.example": false, "http://127.0.0.1.example": false, "ftp://127.0.0.1": false, "a.example": false, "": false, "https://": false,
		"https://u:p@a.example": false, "https://a.example?x": false, "https://a.example/?": false, "https://a.example#": false,
	} {
		if err := CheckURL(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
