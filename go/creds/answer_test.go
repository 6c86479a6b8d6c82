package creds

import (
	"errors"
	"strings"
	"testing"
	"time"

	"osp/go/secret"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestAnswersThatHoldCredentials(t *testing.T) {
	hour := time.Hour
	for _, c := range []struct {
		name, raw                          string
		access, secretKey, session, apiKey string
		expires                            time.Time
		ttl                                *time.Duration
	}{
		{name: "a bare IBM API key", raw: "Abc_-123", apiKey: "Abc_-123"},
		{name: "a bare API key with a line end, as files have it", raw: "Abc\n", apiKey: "Abc"},
		{name: "an HMAC pair", raw: `{"access_key": "AK", "secret_key": "S K"}`, access: "AK", secretKey: "S K"},
		{name: "an HMAC pair in the other spelling", raw: ` {"accessKey": "AK", "secretKey": "SK"} `, access: "AK", secretKey: "SK"},
		{name: "spellings that agree", raw: `{"accessKey": "AK", "access_key": "AK", "secret_key": "SK"}`, access: "AK", secretKey: "SK"},
		{name: "an API key in JSON", raw: `{"api_key": "K"}`, apiKey: "K"},
		{name: "an API key in the other spelling", raw: `{"apikey": "K"}`, apiKey: "K"},
		{name: "an HMAC pair wins over an API key", raw: `{"api_key": "K", "access_key": "AK", "secret_key": "SK"}`, access: "AK", secretKey: "SK"},
		{name: "fields that we do not know", raw: `{"api_key": "K", "Version": 1}`, apiKey: "K"},
		{name: "null means not given", raw: `{"api_key": "K", "access_key": null, "expiration": null, "ttl": null}`, apiKey: "K"},
		{name: "a session token and a time in UTC", raw: `{"access_key": "AK", "secret_key": "SK", "session_token": "T", "expiration": "2026-03-01T13:00:00Z"}`,
			access: "AK", secretKey: "SK", session: "T", expires: noon.Add(hour)},
		{name: "a time with an offset", raw: `{"api_key": "K", "expiration": "2026-03-01T15:00:00+02:00"}`, apiKey: "K", expires: noon.Add(hour)},
		{name: "a time with an offset without colon", raw: `{"api_key": "K", "expiration": "2026-03-01T15:00:00+0200"}`, apiKey: "K", expires: noon.Add(hour)},
		{name: "a time as str(datetime) gives it", raw: `{"api_key": "K", "expiration": "2026-03-01 13:00:00.500000+00:00"}`, apiKey: "K", expires: noon.Add(hour + 500*time.Millisecond)},
		{name: "a time without zone is UTC", raw: `{"api_key": "K", "expiration": "2026-03-01T13:00:00"}`, apiKey: "K", expires: noon.Add(hour)},
		{name: "seconds since 1970", raw: `{"api_key": "K", "expiration": 1772370000}`, apiKey: "K", expires: noon.Add(hour)},
		{name: "seconds since 1970 with a fraction", raw: `{"api_key": "K", "expiration": 1772370000.5}`, apiKey: "K", expires: noon.Add(hour + 500*time.Millisecond)},
		{name: "a ttl", raw: `{"api_key": "K", "ttl": 3600}`, apiKey: "K", ttl: &hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := parseAnswer(secret.NewText(c.raw), noon)
			if err != nil {
				t.Fatal(err)
			}
			if a.AccessKey != c.access || a.SecretKey.Reveal() != c.secretKey || a.SessionToken.Reveal() != c.session ||
				a.apiKey.Reveal() != c.apiKey || !a.Expires.Equal(c.expires) || (a.ttl == nil) != (c.ttl == nil) || a.ttl != nil && *a.ttl != *c.ttl {
				t.Errorf("got %+v", a)
			}
		})
	}
}

func TestAnswersThatAreNonsense(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		want      error
	}{
		{"nothing", "", errEmpty},
		{"white space", " \n", errEmpty},
		{"str(None)", "None", errShape},
		{"JSON null", "null", errShape},
		{"a JSON string", `"key"`, errShape},
		{"a JSON list", `["a", "b"]`, errShape},
		{"a sentence", "no access for you", errShape},
		{"control characters", "a\x00b", errShape},
		{"an empty object", "{}", errShape},
		{"half an object", `{"access_key": "AK", `, errShape},
		{"two objects", `{"api_key": "K"}{"api_key": "L"}`, errShape},
		{"an object of other things", `{"user": "u", "password": "p"}`, errShape},
		{"only the access key", `{"access_key": "AK"}`, errHalf},
		{"only the secret key", `{"secret_key": "SK"}`, errHalf},
		{"half a pair beside an API key", `{"secret_key": "SK", "api_key": "K"}`, errHalf},
		{"an empty secret key", `{"access_key": "AK", "secret_key": ""}`, errNotString},
		{"an empty access key", `{"access_key": "", "secret_key": "SK"}`, errNotString},
		{"a number as secret key", `{"access_key": "AK", "secret_key": 5}`, errNotString},
		{"spellings that contradict", `{"access_key": "AK", "accessKey": "BK", "secret_key": "SK"}`, errNotString},
		{"a line end in the access key", `{"access_key": "A\r\nX-Evil: 1", "secret_key": "SK"}`, errUnfit},
		{"a line end in the session token", `{"access_key": "A", "secret_key": "SK", "session_token": "a\nb"}`, errUnfit},
		{"a session token alone", `{"session_token": "T", "api_key": "K"}`, errSession},
		{"an expiration in words", `{"api_key": "K", "expiration": "tomorrow"}`, errExpiration},
		{"an expiration in milliseconds", `{"api_key": "K", "expiration": 1772370000000}`, errExpiration},
		{"a boolean expiration", `{"api_key": "K", "expiration": true}`, errExpiration},
		{"credentials that have expired", `{"api_key": "K", "expiration": "2026-03-01T12:00:00Z"}`, errExpired},
		{"a negative ttl", `{"api_key": "K", "ttl": -1}`, errTTL},
		{"a ttl in a string", `{"api_key": "K", "ttl": "60"}`, errTTL},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a, err := parseAnswer(secret.NewText(c.raw), noon); !errors.Is(err, c.want) || a != (answer{}) {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
}

func FuzzParseAnswer(f *testing.F) {
	for _, s := range []string{"key", `{"access_key": "AK", "secret_key": "SK", "session_token": "T", "expiration": 1772370000, "ttl": 5}`, `{"apikey": "x"}`, `[]`, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAnswer(secret.NewText(s), noon)
		hasPair := a.AccessKey != "" && !a.SecretKey.Empty()
		switch {
		case err != nil && a != (answer{}):
			t.Errorf("an error and credentials: %v", err)
		case err == nil && hasPair == !a.apiKey.Empty():
			t.Error("not exactly one of a pair and an API key")
		case err == nil && !a.Expires.IsZero() && !a.Expires.After(noon):
			t.Error("expired credentials")
		case err == nil && strings.ContainsAny(a.AccessKey+a.SessionToken.Reveal()+a.apiKey.Reveal(), "\r\n\x00 "):
			t.Error("a header could be split")
		}
	})
}
