package creds

import (
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/secret"
)

func TestAnswersComeBackAsTheyWere(t *testing.T) {
	end := time.UnixMilli(1_800_000_000_123)
	for _, s := range []callbacks.Secret{
		{}, // nobody knows the key
		{Key: secret.NewText("s\xff"), SessionToken: secret.NewText("t"), Expires: end},
	} {
		got, ok := secrets.Decode(secrets.Encode(s), time.Minute)
		if !ok || !got.Key.Equal(s.Key) || !got.SessionToken.Equal(s.SessionToken) || got.Expires != s.Expires {
			t.Errorf("a secret is another one: %v", ok)
		}
	}
	for _, a := range []answer{
		{apiKey: secret.New("k")},
		{Credentials: Credentials{AccessKey: "a", SecretKey: secret.New("s\xff"), SessionToken: secret.New("t"), Expires: end}},
	} {
		if got, ok := answers.Decode(answers.Encode(a), time.Minute); !ok || got != a {
			t.Errorf("credentials are others: %v", ok)
		}
	}
	for _, b := range []string{"", "{", "[]", "\xff"} {
		if _, ok := secrets.Decode([]byte(b), 0); ok {
			t.Errorf("%q is a secret", b)
		}
		if _, ok := answers.Decode([]byte(b), 0); ok {
			t.Errorf("%q are credentials", b)
		}
	}
}
