package grants

import (
	"encoding/json"
	"time"

	"osp/go/shared"
)

// wireGrant is a grant for the fleet. Its life counts from when it was asked for,
// by whoever reads it: clocks differ.
type wireGrant struct {
	Value   []byte `json:"v,omitempty"`
	Life    int64  `json:"l,omitempty"` // ms
	Refused string `json:"r,omitempty"`
}

// item is what a grant is known by. One serves many clients, so the revocation of
// any of them ends it. Another replica is waited for as long as one attempt may take,
// and as long is left for an own one.
func (k *Keeper[K, V]) item(given K) shared.Item {
	return shared.Item{Kind: k.service.Kind, Everyone: true, Key: k.service.Key(given), Patience: longestLoad}
}

func (k *Keeper[K, V]) codec() shared.Codec[Grant[V]] {
	return shared.Codec[Grant[V]]{
		Encode: func(g Grant[V]) []byte {
			w := wireGrant{Life: g.Expires.Sub(g.Asked).Milliseconds(), Refused: g.Refused}
			if g.Refused == "" {
				w.Value = k.service.Encode(g.Value)
			}
			b, err := json.Marshal(w)
			if err != nil {
				panic(err) // texts and a number
			}
			return b
		},
		Decode: func(b []byte, age time.Duration) (Grant[V], bool) {
			var w wireGrant
			if json.Unmarshal(b, &w) != nil {
				return Grant[V]{}, false
			}
			asked := k.now().Add(-age)
			g := Grant[V]{Asked: asked, Expires: asked.Add(time.Duration(w.Life) * time.Millisecond), Refused: w.Refused}
			if w.Refused != "" {
				return g, true
			}
			var ok bool
			g.Value, ok = k.service.Decode(w.Value)
			return g, ok
		},
	}
}
