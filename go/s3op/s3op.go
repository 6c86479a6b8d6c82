// Package s3op reads a request target as S3 means it: bucket, key, query and
// the name of the operation. It works on the bytes of the wire and never cleans
// a path: `//`, `%2F` and `+` stay as the client sent them. It neither verifies
// nor authorises anything.
package s3op

import (
	"net/http"
	"strings"

	"osp/go/s3err"
	"osp/go/wire"
)

// Request is a request target, taken apart.
type Request struct {
	Method   string
	RawPath  string // as on the wire, percent-encoded, begins with a slash
	RawQuery string // as on the wire, without the question mark
	Virtual  bool   // the host names the bucket, and RawPath does not

	// Path is `/bucket`, or `/bucket/key`, UriEncoded: one spelling for one
	// object, however the client spells it. The service is `/`.
	Path   string
	Bucket string // decoded; empty: the request addresses the service itself
	Key    string // decoded, arbitrary bytes; empty: the request addresses the bucket
	Query  Query

	Operation Operation
	// Selected says that a parameter selects the operation: it is about a part
	// of the bucket or object, such as its tags.
	Selected bool
	// Fallback is the operation that a store which does not know the
	// operation's parameter performs instead, if that could do other harm: it
	// deletes the object whose tags were to be deleted. Empty: there is none.
	Fallback Operation
	// Unlisted is why S3 has no such request, an *s3err.Error: there is no such
	// operation, which is Unknown then, or something was added that does not
	// belong to it. It is refused, unless the owner has allowed such requests.
	Unlisted error

	CopySource   *CopySource // nil: the request is not a copy
	RenameSource string      // key of the object that is renamed, in the same bucket; otherwise empty

	body bool // see HasBody
}

// Parse takes a request target apart. The target is that of the request line
// (or HTTP/2's :path); virtual is the bucket that the host names, empty in path
// style; header is consulted for what changes the operation: a second object, a
// form's content type, and what S3 does not have.
//
// Errors are *s3err.Error values: InvalidURI for what is not an S3 target,
// KeyTooLongError, InvalidArgument for ambiguous queries and missing values,
// InvalidRequest for a second object where none belongs, NotImplemented for
// instructions in other dialects.
func Parse(method, target, virtual string, header http.Header) (*Request, error) {
	rawPath, rawQuery, err := split(target)
	if err != nil {
		return nil, err
	}
	r := &Request{Method: method, RawPath: rawPath, RawQuery: rawQuery, Virtual: virtual != ""}
	rawBucket, rawKey := virtual, rawPath[1:]
	if !r.Virtual {
		rawBucket, rawKey, _ = strings.Cut(rawKey, "/")
	}
	if r.Bucket, err = decode(rawBucket, wire.InPath); err != nil {
		return nil, err
	}
	if r.Key, err = decode(rawKey, wire.InPath); err != nil {
		return nil, err
	}
	if r.Bucket == "" && r.Key != "" {
		return nil, s3err.InvalidURI.Msg("The path names a key but no bucket.")
	}
	if err := CheckKey(r.Key); err != nil {
		return nil, err
	}
	r.Path = rawPath
	if r.Virtual || !wire.IsPlain(rawPath, wire.InPath) || r.Key == "" {
		r.Path = Path(r.Bucket, r.Key)
	}
	if r.Query, err = parseQuery(rawQuery); err != nil {
		return nil, err
	}
	if err := r.classify(header); err != nil {
		return nil, err
	}
	return r, nil
}

// Path is the one spelling of a bucket, or of an object in it.
func Path(bucket, key string) string {
	b := append(make([]byte, 0, len(bucket)+len(key)+2), '/')
	b = wire.AppendEncoded(b, bucket, wire.InQuery)
	if key != "" {
		b = wire.AppendEncoded(append(b, '/'), key, wire.InPath)
	}
	return string(b)
}

// split separates path and query and accepts the absolute form, as RFC 9112
// section 3.2.2 requires of a server.
func split(target string) (path, query string, err error) {
	if scheme, rest, found := strings.Cut(target, "://"); found && target[0] != '/' {
		if scheme = strings.ToLower(scheme); scheme != "http" && scheme != "https" {
			return "", "", s3err.InvalidURI
		}
		end := strings.IndexAny(rest, "/?") // of the authority; its query may contain slashes
		switch {
		case end < 0:
			return "/", "", nil
		case rest[end] == '?':
			rest, end = "/"+rest[end:], 0
		}
		target = rest[end:]
	}
	if target == "" || target[0] != '/' {
		return "", "", s3err.InvalidURI
	}
	if strings.ContainsAny(target, "#\x00\r\n \t\x7f") {
		return "", "", s3err.InvalidURI
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query, nil
}

// decode decodes a part of a target as it is on the wire. The error is InvalidURI.
func decode(s string, in wire.Part) (string, error) {
	if plain, ok := wire.Decode(s, in); ok {
		return plain, nil
	}
	return "", s3err.InvalidURI
}

// CheckKey refuses keys that are longer than S3 allows, and what no key could
// begin with. The error is KeyTooLongError.
func CheckKey(key string) error {
	if len(key) > wire.LongestKey {
		return s3err.KeyTooLong
	}
	return nil
}
