package iam

import (
	"encoding/json"
	"time"

	"osp/go/secret"
	"osp/go/shared"
)

// wireGrant is a grant for the fleet. Its life counts from when it was asked for,
// by whoever reads it: clocks differ.
type wireGrant struct {
	Token   string `json:"t,omitempty"`
	Life    int64  `json:"l,omitempty"` // ms
	Refused string `json:"r,omitempty"`
}

// item is what a token is known by: the key, and the service that was asked. One
// serves many clients, so the revocation of any of them ends it. Another replica is
// waited for as long as one attempt may take, and as long is left for an own one.
func (e *Exchange) item(apiKey secret.Value) shared.Item {
	return shared.Item{Kind: "bearer token", Everyone: true, Key: shared.Fields(e.endpoint, apiKey.Reveal()), Patience: 2 * attemptTime}
}

func (e *Exchange) codec() shared.Codec[grant] {
	return shared.Codec[grant]{
		Encode: func(g grant) []byte {
			b, err := json.Marshal(wireGrant{g.token.Reveal(), g.expires.Sub(g.asked).Milliseconds(), g.refused})
			if err != nil {
				panic(err) // texts and a number
			}
			return b
		},
		Decode: func(b []byte, age time.Duration) (grant, bool) {
			var w wireGrant
			if json.Unmarshal(b, &w) != nil {
				return grant{}, false
			}
			asked := e.now().Add(-age)
			return grant{secret.New(w.Token), asked, asked.Add(time.Duration(w.Life) * time.Millisecond), w.Refused}, true
		},
	}
}
