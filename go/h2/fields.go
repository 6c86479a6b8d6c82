package h2

import (
	"net/http"
	"strconv"
	"strings"

	"osp/go/h1"
)

// Fields of responses are encoded without a dynamic table: what differs from response
// to response, as most of it does, would only push out what doesn't, and lookups cost
// more than the bytes that they save. Nor do they use Huffman's code.

// spelled are field names of responses, encoded as HPACK's literals without indexing
// (RFC 7541 section 6.2.2): an index of the static table, or the name.
var spelled = func() map[string][]byte {
	names := make(map[string][]byte)
	for _, name := range []string{
		"Etag", "Server", "X-Amz-Request-Id", "X-Amz-Id-2", "X-Amz-Version-Id", "X-Amz-Delete-Marker", "X-Amz-Storage-Class",
		"X-Amz-Server-Side-Encryption", "X-Amz-Checksum-Crc32", "X-Amz-Checksum-Crc32c", "X-Amz-Checksum-Crc64nvme",
		"X-Amz-Checksum-Sha1", "X-Amz-Checksum-Sha256", "X-Amz-Checksum-Type", "X-Amz-Bucket-Region", "X-Amz-Mp-Parts-Count",
	} {
		names[name] = appendName(nil, name)
	}
	for name, index := range map[string]int{
		"Accept-Ranges": 18, "Age": 21, "Allow": 22, "Cache-Control": 24, "Content-Disposition": 25, "Content-Encoding": 26,
		"Content-Language": 27, "Content-Length": 28, "Content-Range": 30, "Content-Type": 31, "Date": 33, "Etag": 34,
		"Expires": 36, "Last-Modified": 44, "Location": 46, "Retry-After": 53, "Server": 54, "Vary": 59,
	} {
		names[name] = appendInt(nil, 0, 4, index)
	}
	return names
}()

// appendInt appends HPACK's integer with a prefix of some bits (RFC 7541 section 5.1).
func appendInt(b []byte, first byte, bits, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(b, first|byte(n))
	}
	b = append(b, first|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func appendName(b []byte, name string) []byte {
	b = appendInt(append(b, 0), 0, 7, len(name))
	return append(b, strings.ToLower(name)...)
}

// appendStatus appends :status.
func appendStatus(b []byte, status int) []byte {
	switch status { // RFC 7541 appendix A
	case http.StatusOK:
		return append(b, 0x88)
	case http.StatusNoContent:
		return append(b, 0x89)
	case http.StatusPartialContent:
		return append(b, 0x8a)
	case http.StatusNotModified:
		return append(b, 0x8b)
	case http.StatusNotFound:
		return append(b, 0x8d)
	}
	return strconv.AppendInt(append(b, 0x08, 3), int64(status), 10)
}

// appendField appends a field, its value with spaces in place of what must not be in
// one.
func appendField(b []byte, name, value string) []byte {
	value = strings.Trim(value, " \t")
	if there, ok := spelled[name]; ok {
		b = append(b, there...)
	} else {
		b = appendName(b, name)
	}
	b = appendInt(b, 0, 7, len(value))
	at := len(b)
	b = append(b, value...)
	if !h1.IsValue(value) {
		for i := at; i < len(b); i++ {
			if b[i] < ' ' && b[i] != '\t' || b[i] == 0x7f {
				b[i] = ' '
			}
		}
	}
	return b
}

// appendHeader appends a handler's header, without what is up to the connection. It
// reports whether Date was there.
func appendHeader(b []byte, header http.Header, status int) (_ []byte, dated bool) {
	for name, values := range header {
		switch name {
		case "Content-Length", "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade":
			continue
		case "Content-Type":
			if status == http.StatusNotModified {
				continue
			}
		case "Date":
			dated = true
		}
		if !h1.IsToken(name) {
			continue
		}
		for _, value := range values {
			b = appendField(b, name, value)
		}
	}
	return b, dated
}
