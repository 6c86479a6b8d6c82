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

// The first byte of a decision. A class of limits follows it, with its length.
const (
	allows = 1 << iota
	hasLimits
)

// decisionCodec writes a decision as one byte, its class of limits if it has one, and
// its reason, for who asks about this request: whom it is about its name says.
func decisionCodec(r *callbacks.Request) shared.Codec[remembered] {
	return shared.Codec[remembered]{
		Encode: func(d remembered) []byte {
			verdict := []byte{0}
			if d.allowed {
				verdict[0] |= allows
			}
			if d.limits != "" {
				verdict[0] |= hasLimits
				verdict = append(append(verdict, byte(len(d.limits))), d.limits...)
			}
			return append(verdict, d.reason...)
		},
		Decode: func(b []byte, _ time.Duration) (remembered, bool) {
			if len(b) == 0 || b[0]&^(allows|hasLimits) != 0 {
				return remembered{}, false
			}
			verdict, limits, rest := b[0], "", b[1:]
			if verdict&hasLimits != 0 {
				if len(rest) == 0 || int(rest[0]) > len(rest)-1 {
					return remembered{}, false
				}
				limits, rest = string(rest[1:1+rest[0]]), rest[1+rest[0]:]
			}
			return remembered{allowed: verdict&allows != 0, reason: string(rest), limits: limits, token: sha256.Sum256([]byte(r.Token)), bucket: strings.Clone(r.Bucket)}, true
		},
	}
}
