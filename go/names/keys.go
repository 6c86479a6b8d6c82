package names

import (
	"strings"

	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/stores"
)

// CheckTarget is CheckKey for the object that a request addresses. A store that
// treats keys as paths takes the tags of `a/` for those of `a`. The error is
// InvalidURI.
func CheckTarget(b *stores.Bucket, r *s3op.Request) error {
	if !b.OpaqueKeys && r.Selected && strings.HasSuffix(r.Key, "/") {
		return s3err.InvalidURI.Msg(`An object whose key ends in a slash can only be read, written and deleted as a whole here: the store's "keys" are "path".`)
	}
	return CheckKey(b, r.Key)
}

// CheckKey refuses keys that the store of an entry would take for another one.
// A store that treats keys as paths resolves `.` and `..`, drops empty segments
// and leading slashes, and keeps files of its own among the objects; it would
// serve an object that the validator was not asked about, or one of another
// bucket. The error is InvalidURI.
func CheckKey(b *stores.Bucket, key string) error {
	if b.OpaqueKeys || key == "" {
		return nil
	}
	if stores.Misread(key) {
		return s3err.InvalidURI.Msg(`Keys with a leading slash, backslashes, empty segments or the segments '.' or '..' are not served here, nor names that stores reserve for themselves: the store's "keys" are "path".`)
	}
	first, _, deeper := strings.Cut(b.Prefix+key, "/")
	if first = strings.ToLower(first); b.VirtualStyle && (ownInterface[first] || !deeper && ownPage[first]) {
		return s3err.InvalidURI.Msg("The key " + first + `, or those below, are not served here: the store's "keys" are "path", and its buckets are in the host.`)
	}
	return nil
}

// ownInterface is where stores have interfaces of their own, whatever bucket the host
// names, and ownPage what they answer themselves: MinIO, RustFS, moto, LocalStack and
// SeaweedFS.
var (
	ownInterface = map[string]bool{"minio": true, "rustfs": true, "moto-api": true, "_aws": true, "_localstack": true}
	ownPage      = map[string]bool{"crossdomain.xml": true, "status": true, "healthz": true}
)

// CheckSource is CheckKey for what a copy reads. Some stores, such as
// versitygw, decode the header before they look for a version in it, and would
// copy another object. The error is InvalidURI.
func CheckSource(b *stores.Bucket, c *s3op.CopySource) error {
	if !b.OpaqueKeys && strings.Contains(strings.ToLower(b.Prefix+c.Key), "?versionid") {
		return s3err.InvalidURI.Msg(`A key with "?versionId" in it is not copied here: the store's "keys" are "path".`)
	}
	return CheckKey(b, c.Key)
}

// CheckRenameSource is CheckKey for the object that is renamed. Clients give it as
// a key or as bucket/key, and SeaweedFS accepts either: a key that begins with the
// store's name of the bucket has two meanings there. The error is InvalidArgument
// or InvalidURI.
func CheckRenameSource(b *stores.Bucket, key string) error {
	if strings.HasPrefix(b.Prefix+key, b.Remote+"/") {
		return s3err.InvalidArgument.Msg("x-amz-rename-source must be a key in the same bucket, without the bucket before it.")
	}
	return CheckKey(b, key)
}
