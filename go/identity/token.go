package identity

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxToken   = 20_000 // bytes, AWS's own bound
	maxDepth   = 8      // levels of objects and lists in claims
	maxSubject = 1024   // bytes
)

// token is what a token says, before anything of it is proven.
type token struct {
	Identity
	notBefore time.Time
	bound     bool // it is good only together with a key that its bearer holds
}

var base64url = base64.RawURLEncoding.Strict()

// readToken reads a token in compact form, of which there is one spelling. go-jose would
// also take JSON, and blanks anywhere.
func readToken(raw string) (*token, error) {
	if len(raw) > maxToken {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrInvalid, maxToken)
	}
	if strings.ContainsAny(raw, "\r\n") { // which base64 passes over
		return nil, errSpelling
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || parts[2] == "" {
		return nil, fmt.Errorf("%w: it is no signed JWT in compact form", ErrInvalid)
	}
	head, err := readPart(parts[0])
	if err != nil {
		return nil, err
	}
	if err := checkHead(head); err != nil {
		return nil, err
	}
	claims, err := readPart(parts[1])
	if err != nil {
		return nil, err
	}
	if _, err := base64url.DecodeString(parts[2]); err != nil {
		return nil, errSpelling
	}
	return readClaims(claims)
}

var (
	errSpelling = fmt.Errorf("%w: a part of it is not base64url", ErrInvalid)
	errJSON     = fmt.Errorf("%w: a part of it is not one JSON object without a name twice", ErrInvalid)
)

func readPart(part string) (map[string]any, error) {
	data, err := base64url.DecodeString(part)
	if err != nil {
		return nil, errSpelling
	}
	if !utf8.Valid(data) {
		return nil, errJSON
	}
	return readObject(data)
}

// checkHead refuses what would have us understand more than a signature: critical
// extensions, and tokens that are made for something else, like those that end a
// session (RFC 8725, section 3.11). Keys and addresses of keys in it are never looked at.
func checkHead(head map[string]any) error {
	if _, critical := head["crit"]; critical {
		return fmt.Errorf("%w: it has critical extensions", ErrInvalid)
	}
	kind, given := head["typ"]
	text, ok := kind.(string)
	text = strings.TrimPrefix(strings.ToLower(text), "application/")
	if given && (!ok || text != "jwt" && text != "at+jwt") {
		return errKind
	}
	return nil
}

// errKind is about tokens that are made for something else.
var errKind = fmt.Errorf("%w: it is another kind of token", ErrInvalid)

func readClaims(claims map[string]any) (*token, error) {
	t := &token{Identity: Identity{Claims: claims}}
	t.Issuer, _ = claims["iss"].(string)
	t.Subject, _ = claims["sub"].(string)
	_, t.bound = claims["cnf"]
	if _, tells := claims["events"]; tells { // RFC 8417: mostly that a session has ended, and older ones have no typ
		return nil, errKind
	}
	var err error
	if t.Audiences, err = audiences(claims["aud"]); err != nil {
		return nil, err
	}
	for name, moment := range map[string]*time.Time{"exp": &t.Expires, "iat": &t.Issued, "nbf": &t.notBefore} {
		if *moment, err = numericDate(claims[name]); err != nil {
			return nil, fmt.Errorf("%w: %s is not a time", ErrInvalid, name)
		}
	}
	if t.Issuer == "" || t.Expires.IsZero() {
		return nil, fmt.Errorf("%w: it needs iss and exp", ErrInvalid)
	}
	return t, nil
}

func audiences(claim any) ([]string, error) {
	switch aud := claim.(type) {
	case string:
		return []string{aud}, nil
	case []any:
		out := make([]string, 0, len(aud))
		for _, item := range aud {
			text, ok := item.(string)
			if !ok {
				break
			}
			out = append(out, text)
		}
		if len(out) == len(aud) {
			return out, nil
		}
	}
	return nil, fmt.Errorf("%w: it needs aud, a text or a list of texts", ErrInvalid)
}

var errDate = errors.New("not a date")

// numericDate reads seconds since 1970; the zero time if there are none.
func numericDate(claim any) (time.Time, error) {
	const year9999 = 253402300800
	if claim == nil {
		return time.Time{}, nil
	}
	number, ok := claim.(json.Number)
	if !ok {
		return time.Time{}, errDate
	}
	seconds, err := number.Float64()
	if err != nil || !(seconds > 0 && seconds < year9999) {
		return time.Time{}, errDate
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}

// isFor reports whether an audience of the token is accepted, and keeps which.
func (t *token) isFor(accepted []string) bool {
	i := slices.IndexFunc(t.Audiences, func(aud string) bool { return slices.Contains(accepted, aud) })
	if i >= 0 {
		t.Audience = t.Audiences[i]
	}
	return i >= 0
}

// acceptable looks at the claims of a token that is proven.
func (t *token) acceptable(now time.Time) error {
	latest := now.Add(leeway)
	switch {
	case t.Subject == "" || len(t.Subject) > maxSubject || strings.ContainsFunc(t.Subject, unicode.IsControl):
		return fmt.Errorf("%w: it needs sub, of at most %d bytes without control characters", ErrRejected, maxSubject)
	case t.notBefore.After(latest):
		return fmt.Errorf("%w: it is not valid yet", ErrRejected)
	case t.Issued.After(latest):
		return fmt.Errorf("%w: it is from the future", ErrRejected)
	case t.bound:
		return fmt.Errorf("%w: it is bound to a key (cnf), whose possession can't be shown here", ErrRejected)
	}
	return nil
}
