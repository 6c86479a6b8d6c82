package payload

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// Checksum is a checksum of a whole body, as S3 writes it. The zero value is none.
type Checksum struct {
	Algorithm Algorithm
	Value     string // base64
}

// Named finds an algorithm by AWS's name of it, in any case.
func Named(name string) (Algorithm, bool) {
	return fromHeader(checksumPrefix + name)
}

// StoredAlgorithm returns the algorithm of the checksum that a store has of an object,
// out of the header of its response; None if that tells none that is known here.
func StoredAlgorithm(h http.Header) Algorithm {
	for a := CRC32; int(a) < len(algorithms); a++ {
		if h.Get(a.Header()) != "" {
			return a
		}
	}
	return None
}

// Stored returns the checksum that a store has of a whole object, out of the header
// of its response. One that was composed of those of parts says nothing about the
// bytes in a row.
func Stored(h http.Header) Checksum {
	a := StoredAlgorithm(h)
	if a == None || strings.EqualFold(h.Get(checksumPrefix+"type"), "COMPOSITE") {
		return Checksum{}
	}
	c := Checksum{a, h.Get(a.Header())}
	if _, ok := a.decode(c.Value); !ok {
		return Checksum{}
	}
	return c
}

// Computed describes a body that comes without framing, from a store: it has this
// length and, unless that is none, this checksum, which must have been Stored. The
// Reader makes the trailer, of that algorithm.
func Computed(length int64, known Checksum, trailer Algorithm) *Spec {
	s := &Spec{kind: Unsigned, length: length, trailer: trailer, computes: true}
	if sum, ok := known.Algorithm.decode(known.Value); ok && known.Algorithm != None {
		s.want = append(s.want, expectation{known.Algorithm, sum, known.Algorithm.mismatch()})
	}
	return s
}

// trailer is what the digests make a trailer of.
func (d *digests) trailer(a Algorithm) http.Header {
	if a == None {
		return nil
	}
	sum := emptySums[a]
	for _, r := range d.running {
		if r.alg == a {
			sum = r.Sum(nil)
		}
	}
	h := http.Header{}
	h.Set(a.Header(), base64.StdEncoding.EncodeToString(sum))
	return h
}

// Empty returns the checksum of no bytes.
func (a Algorithm) Empty() Checksum {
	return Checksum{a, base64.StdEncoding.EncodeToString(emptySums[a])}
}
