package callbacks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// answering are the callbacks of an owner who gives every question this answer.
func answering(text string) Set {
	return Connect(Names(), func(context.Context, int32, []byte) ([]byte, error) { return []byte(text), nil })
}

func TestAnswersThatSayNothingAreErrorsAndNeverQuoted(t *testing.T) {
	for _, text := range []string{"", "null", "true", "[]", "{}", `{"allow": 1}`, `{"allow": "true"}`, `{"allow": null}`,
		`{"allow": true, "sesame": 1}`, `{"allow": true} {"allow": true}`, `{"secret_key": ""}`, `{"credentials": ""}`,
		`{"credentials": 7}`, `{"secret_key": "sesame", "expiration": -1}`, `{"secret_key": "sesame", "expiration": 1e300}`,
		`{"secret_key": "sesame", "ttl": -1}`, `{"secret_key": "sesame", "ttl": 1e300}`, `{"unknown": false}`} {
		for name, callback := range callbacksOf(answering(text)) {
			if _, err := callback.ask(t, callback.question); err == nil {
				t.Errorf("%s is an answer of %s", text, name)
			} else if strings.Contains(err.Error(), "sesame") {
				t.Errorf("%s: the error is %v", text, err)
			}
		}
	}
}

func TestASecretComesWithItsTokenEndAndTTL(t *testing.T) {
	s, err := decodeSecret([]byte(`{"secret_key": "s", "session_token": "t", "expiration": 1700000000.5, "ttl": 1.5}`))
	if err != nil || s.Key.Reveal() != "s" || s.SessionToken.Reveal() != "t" || !s.Expires.Equal(time.UnixMilli(1700000000500)) || *s.TTL != 1500*time.Millisecond {
		t.Errorf("got %v, %v, %v", s.Expires, s.TTL, err)
	}
	if _, err := decodeSecret([]byte(`{"unknown": true}`)); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("got %v", err)
	}
}

func TestASecretIsTheSameHoweverItIsSpelled(t *testing.T) {
	for text, want := range map[string]string{
		`{"secret_key":"a/b+c="}`:           "a/b+c=",
		`{"secret_key": "a/b+c="}`:          "a/b+c=",
		`{"secret_key":"a\u0022\\b\u00e9"}`: "a\"\\b\u00e9",
		`{"secret_key":"\"}"}`:              `"}`,
		`{"secret_key":"é"}`:                "é",
		`{"secret_key":""}`:                 "",
		`{"secret_key":"a","unknown":"}`:    "",
		`{"secret_key":"a"}{}`:              "",
		"{\"secret_key\":\"a\nb\"}":         "",
	} {
		s, err := decodeSecret([]byte(text))
		if s.Key.Reveal() != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v", text, s.Key.Reveal(), err)
		}
	}
}

func TestADecisionMayBringItsTTLAndReason(t *testing.T) {
	d, err := decodeDecision([]byte(`{"allow": false, "ttl": 1.5, "reason": "not today"}`))
	if err != nil || d.Allow || d.TTL == nil || *d.TTL != 1500*time.Millisecond || d.Reason != "not today" {
		t.Errorf("got %+v, %v", d, err)
	}
	if _, err := decodeDecision([]byte(`{"allow": true, "ttl": -1}`)); err == nil {
		t.Error("a negative ttl is taken")
	}
}
