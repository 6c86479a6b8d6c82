package stores

import "strings"

// CacheTag begins what MinIO appends to the last key of a page, so that the next
// one is read from what it has listed: the place of a file. A tag that it did not
// write makes it write, and later delete, wherever the tag says.
const CacheTag = "[minio_cache:"

// Misread reports whether a store that keeps keys as paths takes a key for
// another one, or for none of an object. A slash at its end is that of a folder.
func Misread(key string) bool {
	if strings.Contains(key, `\`) { // a slash to SeaweedFS, and to whatever runs on Windows
		return true
	}
	if strings.Contains(key, CacheTag) {
		return true
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(key, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." || ownName(segment) {
			return true
		}
	}
	return false
}

// ownName reports whether a segment of a path is a store's own: versitygw keeps
// the parts of uploads in .sgwtmp, SeaweedFS in .uploads, and S3Proxy in names
// that begin with .mpus-; SeaweedFS keeps the versions of k in k.versions, and
// MinIO writes a folder's slash as __XLDIR__.
func ownName(segment string) bool {
	return segment == ".sgwtmp" || segment == ".uploads" || strings.HasPrefix(segment, ".mpus-") ||
		strings.HasSuffix(segment, ".versions") || strings.HasSuffix(segment, "__XLDIR__")
}
