package creds

import (
	"encoding/json"
	"strconv"
	"time"

	"osp/go/callbacks"
	"osp/go/secret"
	"osp/go/shared"
	"osp/go/stores"
)

// How answers are written for the fleet, where they are sealed. Times are
// those that the owner said. Texts are bytes, which need not be UTF-8.

// wireSecret is a client's secret. Without a key: nobody knows it.
type wireSecret struct {
	Key     []byte `json:"k,omitempty"`
	Token   []byte `json:"t,omitempty"`
	Expires int64  `json:"e,omitempty"` // Unix ms: what the owner said
}

var secrets = shared.Codec[callbacks.Secret]{
	Encode: func(s callbacks.Secret) []byte {
		return encoded(wireSecret{[]byte(s.Key.Reveal()), []byte(s.SessionToken.Reveal()), unixMilli(s.Expires)})
	},
	Decode: func(b []byte, _ time.Duration) (callbacks.Secret, bool) {
		var w wireSecret
		if json.Unmarshal(b, &w) != nil {
			return callbacks.Secret{}, false
		}
		return callbacks.Secret{Key: secret.NewText(string(w.Key)), SessionToken: secret.NewText(string(w.Token)), Expires: timeOf(w.Expires)}, true
	},
}

// wireAnswer is what opens a store.
type wireAnswer struct {
	Access  []byte `json:"a,omitempty"`
	Secret  []byte `json:"s,omitempty"`
	Token   []byte `json:"t,omitempty"`
	APIKey  []byte `json:"k,omitempty"`
	Expires int64  `json:"e,omitempty"` // Unix ms: what the owner said
}

var answers = shared.Codec[answer]{
	Encode: func(a answer) []byte {
		return encoded(wireAnswer{
			[]byte(a.AccessKey), []byte(a.SecretKey.Reveal()), []byte(a.SessionToken.Reveal()), []byte(a.apiKey.Reveal()), unixMilli(a.Expires),
		})
	},
	Decode: func(b []byte, _ time.Duration) (answer, bool) {
		var w wireAnswer
		if json.Unmarshal(b, &w) != nil {
			return answer{}, false
		}
		return answer{apiKey: secret.New(string(w.APIKey)), Credentials: Credentials{
			AccessKey: string(w.Access), SecretKey: secret.New(string(w.Secret)), SessionToken: secret.New(string(w.Token)), Expires: timeOf(w.Expires),
		}}, true
	},
}

// itemOf is what the fetcher's answer is known by. The store is a part of it, as
// the entry is of key.
func itemOf(b *stores.Bucket, token string) shared.Item {
	e := b.Entry()
	key := shared.Fields(b.Name, token, e.Host, strconv.Itoa(e.Port), e.Region, b.Remote)
	return shared.Item{Kind: "store credentials", Key: key, TTL: b.TTL, Token: token, Bucket: b.Name}
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts and numbers
	}
	return b
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
