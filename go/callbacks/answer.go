package callbacks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"osp/go/secret"
	"osp/go/wire"
)

// errAnswer is returned for an answer that says nothing the proxy can use. The
// answer itself is never quoted: it may hold a secret.
var errAnswer = errors.New("the callback's answer makes no sense")

// LongestClass is how long the name of a class of limits may be, in bytes.
const LongestClass = 64

// decodeAnswer reads exactly one JSON object with known members into out.
func decodeAnswer(answer []byte, out any) error {
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.DisallowUnknownFields()
	if err := dec.Decode(out); err != nil {
		return errAnswer
	}
	if _, err := dec.Token(); err != io.EOF {
		return errAnswer
	}
	return nil
}

// decodeDecision knows the two answers that nearly all are without a parser,
// whose depth would make the goroutine of each question grow its stack.
func decodeDecision(answer []byte) (Decision, error) {
	switch string(answer) {
	case `{"allow":true}`:
		return Decision{Allow: true}, nil
	case `{"allow":false}`:
		return Decision{}, nil
	}
	var a struct {
		Allow  *bool    `json:"allow"`
		TTL    *float64 `json:"ttl"`
		Once   bool     `json:"once"`
		Reason string   `json:"reason"`
		Limits string   `json:"limits"`
	}
	if err := decodeAnswer(answer, &a); err != nil {
		return Decision{}, err
	}
	if a.Allow == nil || len(a.Limits) > LongestClass {
		return Decision{}, errAnswer
	}
	d := Decision{Allow: *a.Allow, Once: a.Once, Reason: a.Reason, Limits: a.Limits}
	var err error
	d.TTL, err = duration(a.TTL)
	return d, err
}

// duration reads a ttl, which need not be there.
func duration(seconds *float64) (*time.Duration, error) {
	if seconds == nil {
		return nil, nil
	}
	ttl, ok := wire.TTL(*seconds)
	if !ok {
		return nil, fmt.Errorf("%w: ttl out of range", errAnswer)
	}
	return &ttl, nil
}

// decodeSecret knows the answer that nearly all are, as decodeDecision does.
func decodeSecret(answer []byte) (Secret, error) {
	if key, ok := bareSecret(answer); ok {
		return Secret{Key: secret.NewText(key)}, nil
	}
	var a struct {
		Key          string   `json:"secret_key"`
		SessionToken string   `json:"session_token"`
		Expiration   *float64 `json:"expiration"`
		TTL          *float64 `json:"ttl"`
		Unknown      bool     `json:"unknown"`
	}
	if err := decodeAnswer(answer, &a); err != nil {
		return Secret{}, err
	}
	if a.Unknown {
		return Secret{}, ErrUnknownKey
	}
	if a.Key == "" {
		return Secret{}, fmt.Errorf("%w: no secret_key", errAnswer)
	}
	s := Secret{Key: secret.NewText(a.Key), SessionToken: secret.NewText(a.SessionToken)}
	if a.Expiration != nil {
		expires, err := unixTime(*a.Expiration)
		if err != nil {
			return Secret{}, err
		}
		s.Expires = expires
	}
	var err error
	s.TTL, err = duration(a.TTL)
	return s, err
}

// bareSecret reads {"secret_key":"..."} if nothing in it is escaped.
func bareSecret(answer []byte) (string, bool) {
	key, opened := strings.CutPrefix(string(answer), `{"secret_key":"`)
	key, closed := strings.CutSuffix(key, `"}`)
	if !opened || !closed || key == "" {
		return "", false
	}
	for i := range len(key) {
		if c := key[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return "", false
		}
	}
	return key, true
}

// unixTime refuses what would wrap around to a date that is long past or far
// ahead. The zero time.Time means "never", so it can't be asked for.
func unixTime(seconds float64) (time.Time, error) {
	const year9999 = 253402300800
	if !(seconds > 0 && seconds < year9999) {
		return time.Time{}, fmt.Errorf("%w: expiration out of range", errAnswer)
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}

func decodeBucketCreds(answer []byte) (secret.Text, error) {
	var a struct {
		Credentials string `json:"credentials"`
	}
	if err := decodeAnswer(answer, &a); err != nil {
		return secret.Text{}, err
	}
	if a.Credentials == "" {
		return secret.Text{}, fmt.Errorf("%w: no credentials", errAnswer)
	}
	return secret.NewText(a.Credentials), nil
}
