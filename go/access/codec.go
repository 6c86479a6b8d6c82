package access

import (
	"crypto/sha256"
	"strings"
	"time"

	"osp/go/callbacks"
	"osp/go/shared"
)

// item is what a decision is known by in a fleet: all that this replica knows it
// by, and how. Replicas whose validators take other arguments, or that keep
// decisions by less or for another time, share none.
func (c *Checker) item(k key, r *callbacks.Request, ttl time.Duration) shared.Item {
	return shared.Item{Kind: "decision", Key: shared.Fields(c.knownBy, string(k[:])), TTL: ttl, Token: r.Token, Bucket: r.Bucket}
}

// decisionCodec writes a decision as one byte and its reason, for who asks about
// this request: whom it is about its name says.
func decisionCodec(r *callbacks.Request) shared.Codec[remembered] {
	return shared.Codec[remembered]{
		Encode: func(d remembered) []byte {
			verdict := byte(0)
			if d.allowed {
				verdict = 1
			}
			return append([]byte{verdict}, d.reason...)
		},
		Decode: func(b []byte, _ time.Duration) (remembered, bool) {
			if len(b) == 0 || b[0] > 1 {
				return remembered{}, false
			}
			return remembered{allowed: b[0] == 1, reason: string(b[1:]), token: sha256.Sum256([]byte(r.Token)), bucket: strings.Clone(r.Bucket)}, true
		},
	}
}
