package creds

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"osp/go/secret"
	"osp/go/wire"
)

// What can be wrong with a fetcher's answer. None of the messages repeats any
// of it.
var (
	errEmpty      = errors.New("the answer is empty")
	errShape      = errors.New("the answer is neither an API key nor a JSON object with access_key and secret_key, or api_key")
	errHalf       = errors.New("the answer has only one of access_key and secret_key")
	errNotString  = errors.New("a credential in the answer is not a string, or is empty, or contradicts its other spelling")
	errUnfit      = errors.New("a credential in the answer has characters that no header may have")
	errSession    = errors.New("the answer has a session_token without access_key")
	errExpiration = errors.New("expiration in the answer is neither an ISO 8601 time nor seconds since 1970")
	errExpired    = errors.New("the credentials in the answer have expired")
	errTTL        = errors.New("ttl in the answer is not a number of seconds")
)

const maxEpoch = 1e11 // seconds; beyond it somebody gave milliseconds

// answer is what a fetcher said: credentials, or an API key to exchange.
type answer struct {
	Credentials
	apiKey secret.Value
	ttl    *time.Duration // nil: not said
}

// parseAnswer reads a fetcher's answer: a JSON object, or a bare API key.
func parseAnswer(raw secret.Text, now time.Time) (answer, error) {
	s := strings.TrimSpace(raw.Reveal())
	switch {
	case s == "":
		return answer{}, errEmpty
	case s[0] == '{':
		return parseObject(s, now)
	case !looksLikeAPIKey(s):
		return answer{}, errShape
	}
	return answer{apiKey: secret.New(s)}, nil
}

// looksLikeAPIKey keeps what is plainly something else (other JSON, str(None),
// a sentence) from being sent to the token service as a key.
func looksLikeAPIKey(s string) bool {
	switch s {
	case "null", "None", "true", "True", "false", "False":
		return false
	}
	return s[0] != '[' && s[0] != '"' && !strings.ContainsFunc(s, wire.NotVisible)
}

// object reads a JSON object field by field and remembers the first error.
type object struct {
	fields map[string]any
	err    error
}

func parseObject(s string, now time.Time) (answer, error) {
	o := object{}
	dec := json.NewDecoder(bytes.NewReader([]byte(s)))
	dec.UseNumber()
	if dec.Decode(&o.fields) != nil {
		return answer{}, errShape // the decoder's own error quotes the answer
	}
	if _, err := dec.Token(); err != io.EOF {
		return answer{}, errShape
	}
	a := answer{
		Credentials: Credentials{
			AccessKey:    o.header("access_key", "accessKey"),
			SecretKey:    secret.New(o.str("secret_key", "secretKey")),
			SessionToken: secret.New(o.header("session_token", "sessionToken")),
			Expires:      o.time("expiration"),
		},
		apiKey: secret.New(o.header("api_key", "apikey")),
		ttl:    o.seconds("ttl"),
	}
	if o.err == nil {
		o.err = a.check(now)
	}
	if o.err != nil {
		return answer{}, o.err
	}
	if a.AccessKey != "" {
		a.apiKey = secret.Value{} // the pair wins, as it does in cos_map
	}
	return a, nil
}

func (a answer) check(now time.Time) error {
	hasAccess, hasSecret := a.AccessKey != "", !a.SecretKey.Empty()
	switch {
	case hasAccess != hasSecret:
		return errHalf
	case !hasAccess && !a.SessionToken.Empty():
		return errSession
	case !hasAccess && a.apiKey.Empty():
		return errShape
	case !a.Expires.IsZero() && !a.Expires.After(now):
		return errExpired
	}
	return nil
}

func (o *object) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

// str returns the string under one of its spellings; null means not given.
func (o *object) str(spellings ...string) string {
	found := ""
	for _, name := range spellings {
		raw := o.fields[name]
		if raw == nil {
			continue
		}
		s, ok := raw.(string)
		if !ok || s == "" || found != "" && s != found {
			o.fail(errNotString)
		}
		found = s
	}
	return found
}

// header is str for a value that goes into a header field.
func (o *object) header(spellings ...string) string {
	s := o.str(spellings...)
	if strings.ContainsFunc(s, wire.NotVisible) {
		o.fail(errUnfit)
	}
	return s
}

// time reads ISO 8601 as AWS and Python write it, or seconds since 1970. A
// time without zone is UTC.
func (o *object) time(name string) time.Time {
	switch raw := o.fields[name].(type) {
	case nil:
		return time.Time{}
	case string:
		s := strings.Replace(raw, " ", "T", 1) // str(datetime)
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"} {
			if t, err := time.Parse(layout, s); err == nil && !t.IsZero() {
				return t
			}
		}
	case json.Number:
		f, err := raw.Float64()
		if err == nil && f > 0 && f < maxEpoch {
			return time.UnixMicro(int64(f * 1e6))
		}
	}
	o.fail(errExpiration)
	return time.Time{}
}

func (o *object) seconds(name string) *time.Duration {
	raw := o.fields[name]
	if raw == nil {
		return nil
	}
	n, _ := raw.(json.Number) // of anything else: an empty number
	f, err := n.Float64()
	ttl, ok := wire.TTL(f)
	if err != nil || !ok {
		o.fail(errTTL)
		return nil
	}
	return &ttl
}
