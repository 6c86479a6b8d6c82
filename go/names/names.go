// Package names translates between clients' names and the store's, if an entry
// of cos_map shows a bucket under another name, or one folder of it as the
// whole bucket: in keys, query parameters, lists of keys to delete, and
// responses. It decides nothing about clients and sends nothing.
package names

import (
	"strings"

	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/stores"
	"osp/go/wire"
)

// Key returns the store's key for a client's. The client's must have passed
// CheckKey, so that no segment of it leads out of the folder. The error is
// KeyTooLongError.
func Key(b *stores.Bucket, key string) (string, error) {
	if key == "" {
		return "", nil
	}
	if len(b.Prefix)+len(key) > wire.LongestKey {
		return "", s3err.KeyTooLong
	}
	return b.Prefix + key, nil
}

// CopySource returns the value of x-amz-copy-source for a source that is in an
// entry's bucket. The error is KeyTooLongError.
func CopySource(b *stores.Bucket, c *s3op.CopySource) (string, error) {
	key, err := Key(b, c.Key)
	if err != nil {
		return "", err
	}
	inside := *c
	inside.Key = key
	return inside.Header(b.Remote), nil
}

// listings are the operations whose responses list keys, and for each the
// parameters that contain a key or the beginning of one.
var listings = map[s3op.Operation][]string{
	s3op.ListObjects:       {"prefix", "marker"},
	"ListObjectsV2":        {"prefix", "start-after"},
	"ListObjectVersions":   {"prefix", "key-marker"},
	"ListMultipartUploads": {"prefix", "key-marker"},
}

// listParameters are all others that may go to a store with a listing of one
// folder. Extensions of some stores might reach beyond it.
var listParameters = map[string]bool{
	"list-type": true, "delimiter": true, "max-keys": true, "encoding-type": true, "continuation-token": true,
	"fetch-owner": true, "versions": true, "version-id-marker": true, "uploads": true, "upload-id-marker": true,
	"max-uploads": true, "x-id": true,
}

// wholeBucket are the operations on a bucket that make sense for one folder of it.
var wholeBucket = map[s3op.Operation]bool{
	"HeadBucket": true, "GetBucketLocation": true, "GetBucketVersioning": true,
	s3op.DeleteObjects: true, s3op.PostObject: true, s3op.Preflight: true,
}

// Check refuses what would show or change more of a bucket than the folder that
// an entry shows. The error is NotImplemented.
func Check(b *stores.Bucket, r *s3op.Request) error {
	if b.Prefix == "" {
		return nil
	}
	_, lists := listings[r.Operation]
	switch {
	case r.Unlisted != nil:
	case r.Key != "", wholeBucket[r.Operation], lists:
		return nil
	}
	return s3err.NotImplemented.Msg(string(r.Operation) + " is not supported for a folder of a bucket.")
}

// Query returns the parameters for the store. Every listing of a folder names
// that folder. The errors are NotImplemented, KeyTooLongError and InvalidURI,
// and InvalidArgument or NoSuchUpload for what was not sealed here.
func Query(b *stores.Bucket, op s3op.Operation, q s3op.Query) (s3op.Query, error) {
	keys, lists := listings[op]
	if err := checkMarkers(b, q); err != nil {
		return nil, err
	}
	if prefix, _ := q.Get("prefix"); lists && !b.OpaqueKeys && prefix != "" && stores.Misread(prefix) {
		return nil, s3err.InvalidURI.Msg(`Such a prefix is not served here: the store's "keys" are "path".`)
	}
	if b.Prefix == "" || !lists && len(q) == 0 {
		return q, nil
	}
	out := make(s3op.Query, 0, len(q)+1)
	confined := !lists
	for _, p := range q {
		p, err := opened(b, p)
		if err != nil {
			return nil, err
		}
		if translated(keys, p.Name) {
			// A store on a file system might follow `..`, even in a marker.
			key := withoutTag(p)
			if err := CheckKey(b, key); err != nil {
				return nil, err
			}
			if _, err := Key(b, key); err != nil {
				return nil, err
			}
			if p.Name == "prefix" || p.Value != "" { // an empty marker means none
				p.Value = b.Prefix + p.Value
			}
			confined = confined || p.Name == "prefix"
		} else if lists && !listParameters[p.Name] {
			return nil, s3err.NotImplemented.Msg("The query parameter '" + p.Name + "' is not supported for a folder of a bucket.")
		}
		out = append(out, p)
	}
	if !confined {
		out = append(out, s3op.Param{Name: "prefix", Value: b.Prefix})
	}
	return out, nil
}

func translated(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// inside cuts the folder off a store's key. encoded says that the store may
// have percent-encoded it (encoding-type=url). It reports false for a key
// outside the folder.
func inside(prefix, key string, encoded bool) (string, bool) {
	if encoded {
		if rest, ok := wire.CutEncoded(key, prefix, wire.InQuery); ok { // some stores write a space as a plus sign
			return rest, true
		}
	}
	return strings.CutPrefix(key, prefix)
}
