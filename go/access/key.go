package access

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"osp/go/callbacks"
)

// key identifies a decision: the hash of all that it was made by. A hash
// because what goes into it, tokens and paths, is up to kilobytes long and
// chosen by clients.
type key [sha256.Size]byte

// parts says what goes into a key besides token and bucket, which always do:
// a decision never serves another client or another bucket. Nor does it serve another
// session or certificate, if the validator sees them.
type parts struct{ holder, method, path, query, source, rest bool }

var everything = parts{holder: true, method: true, path: true, query: true, source: true, rest: true}

// partsOf reads auth_cache_by.
func partsOf(names []string) parts {
	if len(names) == 0 {
		return everything
	}
	p := parts{holder: true}
	for _, name := range names {
		switch name {
		case "token", "bucket": // they are in every key
		case "method":
			p.method = true
		case "path":
			p.path = true
		case "query":
			p.query = true
		case "source":
			p.source = true
		default:
			panic("access: config let an unknown cache field pass: " + name)
		}
	}
	return p
}

// String tells parts apart.
func (p parts) String() string {
	return fmt.Sprintf("%v", [...]bool{p.holder, p.method, p.path, p.query, p.source, p.rest})
}

// key hashes the fields, each with its length before it, so that no two
// different requests give the same bytes. The operation goes with the method
// and the client's address with the source: they tell more of the same.
// Header is in no key: see Checker.visible.
func (p parts) key(r *callbacks.Request) key {
	var stack [1024]byte // longer requests spill to the heap
	b := field(stack[:0], r.Token)
	b = field(b, r.Bucket)
	if p.holder {
		b = appendHolder(b, r)
	}
	if p.method {
		b = field(b, r.Method)
		b = field(b, r.Operation)
	}
	if p.path {
		b = field(b, r.Path)
		b = field(b, r.Key)
	}
	if p.query {
		b = binary.AppendUvarint(b, uint64(len(r.Query)))
		for _, q := range r.Query {
			b = field(b, q.Name)
			b = field(b, q.Value)
		}
		b = field(b, r.VersionID)
	}
	if p.source {
		b = field(b, r.Source)
		b = field(b, r.ClientIP)
	}
	if p.rest {
		b = field(b, r.Region)
		b = field(b, r.CopySource)
		b = binary.AppendVarint(b, r.ContentLength)
		if r.Presigned {
			b = append(b, 1)
		}
	}
	return sha256.Sum256(b)
}

// appendHolder appends who holds a temporary key, and a certificate.
func appendHolder(b []byte, r *callbacks.Request) []byte {
	var has byte
	if r.Session != nil {
		digest := r.Session.Digest()
		b, has = append(b, digest[:]...), has|1
	}
	if r.Certificate != nil {
		digest := sha256.Sum256(r.Certificate.Raw)
		b, has = append(b, digest[:]...), has|2
	}
	return append(b, has)
}

func field(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
