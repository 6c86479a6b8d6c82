package assume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"osp/go/creds"
	"osp/go/grants"
	"osp/go/s3err"
	"osp/go/secret"
	"osp/go/stores"
)

func keysOf(t *testing.T, r *Roles, role stores.Role) (creds.Credentials, error) {
	t.Helper()
	return r.Keys(t.Context(), role.Handle(), time.Time{})
}

func mustKeys(t *testing.T, r *Roles, role stores.Role) creds.Credentials {
	t.Helper()
	c, err := keysOf(t, r, role)
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	return c
}

func TestARoleIsAssumedByASignedRequest(t *testing.T) {
	d := newDouble(t)
	begun := time.Now()
	c := mustKeys(t, newRoles(grants.Options{}), d.role())
	if c.AccessKey != "ASIA1" || c.SecretKey.Reveal() != "secret/1" || c.SessionToken.Reveal() != "session-1" {
		t.Errorf("got %s %s %s", c.AccessKey, c.SecretKey.Reveal(), c.SessionToken.Reveal())
	}
	if life := c.Expires.Sub(begun); life < time.Hour-2*time.Second || life > time.Hour+time.Second {
		t.Errorf("they live %v", life)
	}
	want := map[string]string{
		"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": "arn:aws:iam::1:role/lake", "RoleSessionName": "osp", "DurationSeconds": "3600", "ExternalId": "ext+1",
	}
	sent := map[string]string{}
	for name, values := range d.forms[0] {
		sent[name] = strings.Join(values, " and ")
	}
	if !maps.Equal(sent, want) {
		t.Errorf("STS was asked with %v", sent)
	}
}

func TestAWebIdentityIsReadAnewForEachExchange(t *testing.T) {
	d := newDouble(t)
	now := time.Now()
	r := newRoles(grants.Options{Now: func() time.Time { return now }})
	role := d.role()
	role.TokenFile, role.AccessKey, role.SecretKey, role.ExternalID = filepath.Join(t.TempDir(), "token"), "", secret.Value{}, ""
	for i, token := range []string{"header.first.sig", "header.second.sig"} {
		if err := os.WriteFile(role.TokenFile, []byte(" "+token+"\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if c := mustKeys(t, r, role); c.AccessKey != fmt.Sprint("ASIA", i+1) {
			t.Errorf("got %s", c.AccessKey)
		}
		want := []string{"Action", "DurationSeconds", "RoleArn", "RoleSessionName", "Version", "WebIdentityToken"}
		if form := d.forms[i]; form.Get("WebIdentityToken") != token || !slices.Equal(slices.Sorted(maps.Keys(form)), want) {
			t.Errorf("STS was asked with %v", form)
		}
		now = now.Add(2 * time.Hour)
	}
}

func TestATokenFileThatHoldsNoToken(t *testing.T) {
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	for name, content := range map[string]string{"empty": " \n", "two": "a b", "long": strings.Repeat("x", longestToken+1), "binary": "a\x00b"} {
		if err := os.WriteFile(path(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"empty": "does not hold one token", "two": "does not hold one token", "binary": "does not hold one token", "long": "is longer than any token",
		"fifo": "is not a regular file", "": "is not a regular file", "missing": "no such file",
	} {
		_, err := request(t.Context(), stores.Role{TokenFile: path(name)}, time.Now())
		if err == nil || !strings.HasPrefix(err.Error(), "web_identity_token_file: "+want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOneSessionServesAllWhoComeAtOnce(t *testing.T) {
	d := newDouble(t)
	r := newRoles(grants.Options{})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if c, err := keysOf(t, r, d.role()); err != nil || c.AccessKey != "ASIA1" {
				t.Errorf("got %s, %v", c.AccessKey, err)
			}
		})
	}
	all.Wait()
	if d.count() != 1 {
		t.Errorf("%d exchanges", d.count())
	}
}

func reject(t *testing.T, r *Roles, role stores.Role, used creds.Credentials) {
	t.Helper()
	if err := r.Reject(t.Context(), role.Handle(), used); err != nil {
		t.Fatal(err)
	}
}

func TestASessionIsKnownByWhomItsEntryTrusts(t *testing.T) {
	plain := newDouble(t).role()
	seen := map[string]string{known(plain.Handle()): "none"}
	for name, change := range map[string]func(*stores.Transport){
		"verify":    func(t *stores.Transport) { t.VerifyTLS = !t.VerifyTLS },
		"ca":        func(t *stores.Transport) { t.CA = "another" },
		"cert":      func(t *stores.Transport) { t.Cert = "another" },
		"key":       func(t *stores.Transport) { t.Key = secret.New("another") },
		"trust_env": func(t *stores.Transport) { t.TrustEnv = !t.TrustEnv },
	} {
		role := plain
		change(&role.Transport)
		id := known(role.Handle())
		if other, found := seen[id]; found {
			t.Errorf("%s: its session is that of %s", name, other)
		}
		seen[id] = name
	}
}

func TestKeysThatAStoreRefusedAreReplaced(t *testing.T) {
	d := newDouble(t)
	now := time.Now()
	r := newRoles(grants.Options{Now: func() time.Time { return now }})
	first := mustKeys(t, r, d.role())
	reject(t, r, d.role(), first) // another session would fare no better so soon
	if c := mustKeys(t, r, d.role()); c.AccessKey != "ASIA1" {
		t.Errorf("at once: got %s", c.AccessKey)
	}
	now = now.Add(grants.KeepRefusal)
	reject(t, r, d.role(), creds.Credentials{AccessKey: first.AccessKey, SessionToken: secret.New("another")})
	if c := mustKeys(t, r, d.role()); c.AccessKey != "ASIA1" {
		t.Errorf("other keys were refused: got %s", c.AccessKey)
	}
	reject(t, r, d.role(), first)
	if c := mustKeys(t, r, d.role()); c.AccessKey != "ASIA2" {
		t.Errorf("got %s", c.AccessKey)
	}
}

// What STS refuses is not asked again, and names no secret.
func TestWhatSTSRefuses(t *testing.T) {
	for name, respond := range map[string]http.HandlerFunc{
		`403 "AccessDenied"`:          refuse(403, "AccessDenied"),
		`400 "ValidationError"`:       refuse(400, "ValidationError"),
		`400 "ExpiredTokenException"`: refuse(400, "ExpiredTokenException"),
		`403 "a\u00e9"`:               refuse(403, "aé"),
		`403 ""`:                      refuse(403, strings.Repeat("x", 65)),
		`404 ""`:                      http.NotFound,
		`405 "MethodNotAllowed"`: func(w http.ResponseWriter, _ *http.Request) { // a store without STS
			w.WriteHeader(405)
			_, _ = w.Write([]byte("<Error><Code>MethodNotAllowed</Code></Error>"))
		},
		`307 ""`: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
	} {
		d := newDouble(t)
		d.respond = respond
		_, err := keysOf(t, newRoles(grants.Options{}), d.role())
		if !errors.Is(err, s3err.AccessDenied) || d.count() != 1 {
			t.Errorf("%s: %v after %d exchanges", name, err, d.count())
			continue
		}
		if text := err.Error(); !strings.HasSuffix(text, "STS responded with "+name) || strings.Contains(text, "pair-secret") {
			t.Errorf("the error says %s", text)
		}
	}
}

func TestWhatIsWorthAnotherAttempt(t *testing.T) {
	life := func(d time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(session("AssumeRole", 7, time.Now().Add(d))))
		}
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
	}
	good := session("AssumeRole", 7, time.Now().Add(time.Hour))
	for name, respond := range map[string]http.HandlerFunc{
		"status 503":                    refuse(503, "ServiceUnavailable"),
		"status 429":                    refuse(429, "TooManyRequests"),
		"status 400 Throttling":         refuse(400, "Throttling"),
		"400 IDPCommunicationError":     refuse(400, "IDPCommunicationError"),
		"not the XML of STS":            text("<html>pair-secret"),
		"no keys that could be used":    text(strings.Replace(good, "session-7", "", 1)),
		"keys that could be used":       text(strings.Replace(good, "ASIA7", "A\tB", 1)),
		"keys have already expired":     life(-time.Second),
		"already expired":               text(strings.Replace(good, "Expiration>", "Other>", 2)),
		"its response has no keys that": text(strings.ReplaceAll(good, "AssumeRoleResult", "AssumeRoleWithWebIdentityResult")),
		"its response is too long":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte(" "), 2<<20)) },
		"EOF":                           func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		d := newDouble(t)
		d.respond = respond
		_, _, err := newRoles(grants.Options{}).ask(t.Context(), d.role().Handle())
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "pair-secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASlowServiceIsGivenUpWithTheEntrysTimeout(t *testing.T) {
	d := newDouble(t)
	left := make(chan struct{})
	d.respond = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); close(left) }
	role := d.role()
	role.AnswerTimeout = 20 * time.Millisecond
	if _, _, err := newRoles(grants.Options{}).ask(t.Context(), role.Handle()); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("got %v", err)
	}
	<-left
}

func TestACallerWhoLeavesGetsItsOwnError(t *testing.T) {
	d := newDouble(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newRoles(grants.Options{}).Keys(ctx, d.role().Handle(), time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The service's clock may be wrong, and it may give less, or more, than it is asked for.
func TestTheLifeOfKeysIsWhatTheServiceSays(t *testing.T) {
	asked := time.Now()
	role := stores.Role{Duration: time.Hour}
	for _, c := range []struct {
		clock, life, want time.Duration
		date              bool
	}{
		{0, 30 * time.Minute, 30 * time.Minute, true},
		{0, 30 * time.Minute, 30 * time.Minute, false},
		{-20 * time.Minute, 30 * time.Minute, 30 * time.Minute, true},
		{20 * time.Minute, 30 * time.Minute, 30 * time.Minute, true},
		{0, 48 * time.Hour, time.Hour, true},
	} {
		its := asked.Add(c.clock)
		resp := grants.Response{Status: 200, Header: http.Header{}, Body: []byte(session("AssumeRole", 1, its.Add(c.life)))}
		if c.date {
			resp.Header.Set("Date", its.UTC().Format(http.TimeFormat))
		}
		g, err := readKeys(resp, role, asked)
		if life := g.Expires.Sub(asked); err != nil || life < c.want-time.Second || life > c.want+time.Second {
			t.Errorf("%+v: %v, %v", c, life, err)
		}
	}
}

func TestAFleetReadsWhatItWrote(t *testing.T) {
	k := keys{"ASIA", secret.New("s"), secret.New("t")}
	if got, ok := decode(encode(k)); !ok || got != k {
		t.Errorf("got %v, %v", got, ok)
	}
	for _, bad := range []string{"", "{}", `{"a": "A", "s": "s"}`} {
		if _, ok := decode([]byte(bad)); ok {
			t.Errorf("%s is a session", bad)
		}
	}
	role := newDouble(t).role()
	for name, change := range map[string]func(*stores.Role){
		"role": func(r *stores.Role) { r.ARN += "x" }, "name": func(r *stores.Role) { r.SessionName += "x" }, "external id": func(r *stores.Role) { r.ExternalID += "x" },
		"service": func(r *stores.Role) { r.Endpoint += "x" }, "region": func(r *stores.Role) { r.Region += "x" }, "duration": func(r *stores.Role) { r.Duration++ },
		"file": func(r *stores.Role) { r.TokenFile += "x" }, "key": func(r *stores.Role) { r.AccessKey += "x" }, "secret": func(r *stores.Role) { r.SecretKey = secret.New("x") },
	} {
		other := role
		if change(&other); known(other.Handle()) == known(role.Handle()) {
			t.Errorf("another %s is the same to a fleet", name)
		}
	}
}
