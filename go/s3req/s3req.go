// Package s3req reads a request target as S3 means it: bucket, key, query and
// the name of the operation. It works on the bytes of the wire and never
// cleans a path: `//`, `%2F` and `+` stay what the client said. It neither
// verifies nor authorises anything.
package s3req

import (
	"net/http"
	"strings"

	"osp/go/s3err"
)

// maxKey is S3's limit for a key, in bytes of its decoded form
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
const maxKey = 1024

// Request is a request target, taken apart.
type Request struct {
	Method   string
	RawPath  string // as on the wire, percent-encoded, begins with a slash
	Path     string // RawPath in path style, whatever style the client chose
	RawQuery string // as on the wire, without the question mark

	Bucket string // decoded; empty: the request addresses the service itself
	Key    string // decoded, arbitrary bytes; empty: the request addresses the bucket
	Query  Query

	Operation  Operation
	CopySource *CopySource // nil: the request copies nothing
}

// Parse takes a request target apart. The target is the one of the request
// line (or HTTP/2's :path); virtual is the bucket that the host names, empty in
// path style; header is consulted for what makes an operation another one:
// x-amz-copy-source and a form's content type.
//
// Errors are *s3err.Error values: InvalidURI for what is no S3 target,
// KeyTooLongError, InvalidArgument for ambiguous queries.
func Parse(method, target, virtual string, header http.Header) (*Request, error) {
	rawPath, rawQuery, err := split(target)
	if err != nil {
		return nil, err
	}
	r := &Request{Method: method, RawPath: rawPath, RawQuery: rawQuery, Path: rawPath}
	if virtual != "" {
		r.Path = "/" + virtual + rawPath
	}
	rawBucket, rawKey, _ := strings.Cut(r.Path[1:], "/")
	if r.Bucket, err = unescape(rawBucket); err != nil {
		return nil, err
	}
	if r.Key, err = unescape(rawKey); err != nil {
		return nil, err
	}
	if r.Bucket == "" && r.Key != "" {
		return nil, s3err.InvalidURI.Msg("The path names a key but no bucket.")
	}
	if err := CheckKey(r.Key); err != nil {
		return nil, err
	}
	if r.Query, err = parseQuery(rawQuery); err != nil {
		return nil, err
	}
	if r.CopySource, err = copySource(header); err != nil {
		return nil, err
	}
	if r.Operation, err = operation(r, header); err != nil {
		return nil, err
	}
	return r, nil
}

// split separates path and query and accepts the absolute form, which RFC 9112
// section 3.2.2 obliges a server to take.
func split(target string) (path, query string, err error) {
	if scheme, rest, found := strings.Cut(target, "://"); found && target[0] != '/' {
		if scheme = strings.ToLower(scheme); scheme != "http" && scheme != "https" {
			return "", "", s3err.InvalidURI
		}
		end := strings.IndexAny(rest, "/?") // of the authority; its query may hold slashes
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

// CheckKey refuses keys that are too long, and those that a store could take
// for another one. A store, or a web server in front of it, that resolves `.`
// and `..` would serve an object which the validator never saw, or one of
// another bucket. Errors are *s3err.Error values.
func CheckKey(key string) error {
	if len(key) > maxKey {
		return s3err.KeyTooLong
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return s3err.InvalidURI.Msg("Keys with the path segments '.' or '..' are not served.")
		}
	}
	return nil
}
