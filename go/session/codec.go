package session

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"
)

// longestPolicies bounds the policies of one session, together and as they are before
// they are deflated, in bytes: each may have what AWS allows one.
const longestPolicies = MostPolicies * 2048

var errMalformed = errors.New("the session is malformed")

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendBool(b []byte, is bool) []byte {
	if is {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendTexts(b []byte, texts []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, text := range texts {
		b = appendText(b, text)
	}
	return b
}

// deflaters and inflaters are kept, because a new one takes longer than all the rest.
var (
	deflaters = sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, flate.BestCompression)
		if err != nil {
			panic(err) // a level that package flate does not have, which this is not
		}
		return w
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

// appendPolicies writes policies, deflated: they are most of a token, and much alike.
// Without any, nothing follows what was written before.
func appendPolicies(b []byte, policies []string) []byte {
	if len(policies) == 0 {
		return b
	}
	out := bytes.NewBuffer(b)
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(out)
	_, err := w.Write(appendTexts(nil, policies))
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer accepts everything
	}
	return out.Bytes()
}

func inflate(deflated string) (string, error) {
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	from := bytes.NewReader([]byte(deflated))
	if err := r.(flate.Resetter).Reset(from, nil); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(r, 2*longestPolicies))
	if err != nil || from.Len() > 0 || len(text) == 2*longestPolicies {
		return "", errMalformed
	}
	return string(text), nil
}

// decoder reads what appendFields has written. Its first error stays. Texts are parts
// of what it reads, which is copied once for all of them.
type decoder struct {
	rest string
	err  error
}

func (d *decoder) fail() {
	d.rest, d.err = "", errMalformed
}

// count reads how many things follow, of which each has a byte at least.
func (d *decoder) count() int {
	n, size := uvarint(d.rest)
	if size <= 0 || n > uint64(len(d.rest)-size) {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return int(n)
}

func (d *decoder) text() string {
	n := d.count()
	text := d.rest[:n]
	d.rest = d.rest[n:]
	return text
}

func (d *decoder) texts() []string {
	n := d.count()
	if n == 0 {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, d.text())
	}
	return list
}

func (d *decoder) boolean() bool {
	if d.rest == "" || d.rest[0] > 1 {
		d.fail()
		return false
	}
	b := d.rest[0] == 1
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) time() time.Time {
	u, size := uvarint(d.rest)
	if size <= 0 {
		d.fail()
		return time.Time{}
	}
	d.rest = d.rest[size:]
	micros := int64(u >> 1) //nolint:gosec // as package binary writes signed numbers
	if u&1 != 0 {
		micros = ^micros
	}
	return time.UnixMicro(micros).UTC()
}

func (d *decoder) session() (*Session, error) {
	s := &Session{Configured: d.boolean(), Named: d.boolean(), AccessKey: d.text(), Issued: d.time(), Expires: d.time(), Since: d.time(), From: d.texts()}
	for _, text := range s.texts() {
		*text = d.text()
	}
	if n := d.count(); n > 0 {
		s.Claims = make(map[string][]string, n)
		for range n {
			name := d.text()
			s.Claims[name] = d.texts()
		}
	}
	if n := d.count(); n > 0 {
		s.Tags = make(map[string]string, n)
		for range n {
			name := d.text()
			s.Tags[name] = d.text()
		}
	}
	if d.err == nil && d.rest != "" {
		var inflated string
		if inflated, d.err = inflate(d.rest); d.err == nil {
			d.rest = inflated
			s.Policies = d.texts()
		}
	}
	if d.err == nil && d.rest != "" {
		d.fail()
	}
	return s, d.err
}

// uvarint is binary.Uvarint for a string.
func uvarint(s string) (n uint64, size int) {
	for i := range min(len(s), binary.MaxVarintLen64) {
		n |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return n, i + 1
		}
	}
	return 0, 0
}
