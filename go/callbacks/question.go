package callbacks

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"osp/go/session"
	"osp/go/wire"
)

// encoder appends one JSON object. Unlike encoding/json it loses no byte of a
// string: what is not UTF-8 becomes an escaped lone surrogate as in PEP 383
// (byte 0xNN is \udcNN), which Python's json.loads turns into the str that
// os.fsdecode would give. Valid UTF-8 never holds a surrogate, so two
// different strings never encode alike.
type encoder struct {
	buf   []byte
	comma bool
}

// newEncoder has room for what the texts of a question take, if little in them
// has to be escaped.
func newEncoder(texts int) *encoder { return &encoder{buf: make([]byte, 0, texts+64)} }

func (e *encoder) open(c byte)  { e.buf, e.comma = append(e.buf, c), false }
func (e *encoder) close(c byte) { e.buf, e.comma = append(e.buf, c), true }

func (e *encoder) next() {
	if e.comma {
		e.buf = append(e.buf, ',')
	}
	e.comma = true
}

func (e *encoder) name(s string) {
	e.next()
	e.buf = append(appendString(e.buf, s), ':')
}

func (e *encoder) item(s string) {
	e.next()
	e.buf = appendString(e.buf, s)
}

func (e *encoder) str(name, value string) {
	e.name(name)
	e.buf = appendString(e.buf, value)
}

func (e *encoder) boolean(name string, value bool) {
	e.name(name)
	e.buf = strconv.AppendBool(e.buf, value)
}

func (e *encoder) number(name string, value int64) {
	e.name(name)
	e.buf = strconv.AppendInt(e.buf, value, 10)
}

func (e *encoder) object(name string) {
	e.name(name)
	e.open('{')
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', wire.LowerHex[c>>4], wire.LowerHex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(b, '\\', 'u', 'd', 'c', wire.LowerHex[c>>4], wire.LowerHex[c&15])
			} else {
				b = append(b, s[i:i+size]...)
			}
			i += size
			continue
		}
		i++
	}
	return append(b, '"')
}

func (q HMACQuestion) encode() []byte {
	e := newEncoder(len(q.AccessKey))
	e.open('{')
	e.str("access_key", q.AccessKey)
	e.close('}')
	return e.buf
}

func (q BucketCredsQuestion) encode() []byte {
	e := newEncoder(len(q.Token) + len(q.Bucket))
	e.open('{')
	e.str("token", q.Token)
	e.str("bucket", q.Bucket)
	e.close('}')
	return e.buf
}

// encode leaves the member request out of a question without one: its validator
// takes no more than token and bucket.
func (r *Request) encode() []byte {
	room := len(r.Token) + len(r.Bucket)
	if r.Method != "" {
		room = 2*len(r.Token) + 2*len(r.Path) + 1024
	}
	e := newEncoder(room)
	e.open('{')
	e.str("token", r.Token)
	e.str("bucket", r.Bucket)
	if r.Method != "" {
		e.object("request")
		e.request(r)
		e.close('}')
	}
	e.close('}')
	return e.buf
}

// facts are the names that request gives a value of its own.
var facts = map[string]bool{
	"method": true, "path": true, "raw_path": true, "query": true, "source": true, "operation": true,
	"bucket": true, "key": true, "version_id": true, "access_key": true, "region": true, "presigned": true,
	"client_ip": true, "headers": true, "content_length": true, "copy_source": true, "session": true,
	"client_certificate": true,
}

// request appends the members of the validator's request: the query parameters
// beside the facts of the proxy. A parameter that is called like a fact never
// shows, and of several with one name the first does; the whole query is there
// as "query" too.
func (e *encoder) request(r *Request) {
	e.str("method", r.Method)
	e.str("path", r.Path)
	e.str("raw_path", r.RawPath)
	e.str("source", r.Source)
	e.str("operation", r.Operation)
	e.str("bucket", r.Bucket)
	e.str("key", r.Key)
	e.str("version_id", r.VersionID)
	e.str("access_key", r.Token)
	e.str("region", r.Region)
	e.boolean("presigned", r.Presigned)
	e.str("client_ip", r.ClientIP)
	e.number("content_length", r.ContentLength)
	e.str("copy_source", r.CopySource)
	e.name("query")
	e.open('[')
	for _, p := range r.Query {
		e.next()
		e.open('[')
		e.item(p.Name)
		e.item(p.Value)
		e.close(']')
	}
	e.close(']')
	e.headers(r)
	if r.Session != nil {
		e.session(r.Session)
	}
	if r.Certificate != nil {
		e.certificate(r.Certificate)
	}

	taken := maps.Clone(facts)
	for _, p := range r.Query {
		if !taken[p.Name] {
			taken[p.Name] = true
			e.str(p.Name, p.Value)
		}
	}
}

// headers appends each field once, under its lower-case name, several values
// joined by commas (RFC 9110, section 5.3).
func (e *encoder) headers(r *Request) {
	var h http.Header
	if r.Header != nil {
		h = r.Header()
	}
	e.object("headers")
	for _, name := range slices.Sorted(maps.Keys(h)) {
		e.str(strings.ToLower(name), strings.Join(h[name], ", "))
	}
	e.close('}')
}

// session appends who holds a temporary key. There is no secret in it, and none of its
// policies, which have been asked.
func (e *encoder) session(s *session.Session) {
	e.object("session")
	e.str("role", s.Role)
	e.str("name", s.Name)
	e.str("subject", s.Subject)
	e.str("issuer", s.Issuer)
	e.str("source_identity", s.SourceIdentity)
	e.str("access_key", s.AccessKey)
	e.number("expires", s.Expires.Unix())
	e.object("claims")
	for _, name := range slices.Sorted(maps.Keys(s.Claims)) {
		e.texts(name, s.Claims[name])
	}
	e.close('}')
	e.object("tags")
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		e.str(name, s.Tags[name])
	}
	e.close('}')
	e.close('}')
}

// certificate appends whose certificate it is.
func (e *encoder) certificate(c *x509.Certificate) {
	e.object("client_certificate")
	e.str("subject", subjectOf(c.RawSubject))
	e.texts("dns_names", c.DNSNames)
	e.texts("email_addresses", c.EmailAddresses)
	e.texts("uris", textsOf(c.URIs))
	e.texts("ip_addresses", textsOf(c.IPAddresses))
	e.close('}')
}

func textsOf[T fmt.Stringer](values []T) []string {
	texts := make([]string, 0, len(values))
	for _, value := range values {
		texts = append(texts, value.String())
	}
	return texts
}

func (e *encoder) texts(name string, values []string) {
	e.name(name)
	e.open('[')
	for _, value := range values {
		e.item(value)
	}
	e.close(']')
}
