package s3req

import (
	"net/http"
	"strings"

	"osp/go/s3err"
)

// refused names what would open a way around the proxy: CreateSession hands
// the store's own credentials to the client; RenameObject and the copies of
// other dialects name a second object that no validator would see; and fields
// of other dialects than S3's make one request mean more than its name says
// (MinIO's x-minio-force-delete deletes a whole folder). A client may well sign
// them, but the store would act on them with the rights of the proxy's keys.
func refused(r *Request, header http.Header) error {
	if r.Query.Has("session") && r.scope() == bucket {
		return s3err.NotImplemented.Msg("CreateSession is not supported.")
	}
	for name := range header {
		if foreign(name) {
			return s3err.NotImplemented.Msg("The header " + name + " is not supported.")
		}
	}
	for _, p := range r.Query {
		switch {
		case strings.EqualFold(p.Name, "renameobject"):
			return s3err.NotImplemented.Msg("RenameObject is not supported.")
		case foreign(p.Name) || hasPrefixFold(p.Name, copySourceName): // which S3 takes as a header only
			return s3err.NotImplemented.Msg("The query parameter '" + p.Name + "' is not supported.")
		case !plain(p):
			return s3err.InvalidArgument.Msg("The value of '" + p.Name + "' is not valid.")
		}
	}
	return nil
}

// dialects are the beginnings of names that S3 does not have, and that stores
// which speak S3 as well understand: MinIO, Google, Ceph, Alibaba, Huawei, Tencent.
var dialects = []string{"x-minio-", "x-goog-", "x-rgw-", "rgwx-", "x-oss-", "x-obs-", "x-cos-"}

const copySourceName = "x-amz-copy-source"

// foreign reports whether a name of any case is of another dialect than S3's.
func foreign(name string) bool {
	for _, dialect := range dialects {
		if hasPrefixFold(name, dialect) {
			return true
		}
	}
	const renameSource = "-rename-source"
	return hasPrefixFold(name[max(0, len(name)-len(renameSource)):], renameSource) ||
		containsFold(name, "-copy-source") && !hasPrefixFold(name, copySourceName)
}

// hasPrefixFold is strings.HasPrefix for a prefix in lower case and a text in
// any. Only ASCII folds: names are made of nothing else.
func hasPrefixFold(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

func containsFold(s, part string) bool {
	for i := range len(s) {
		if hasPrefixFold(s[i:], part) {
			return true
		}
	}
	return false
}

// plain reports whether a parameter that names a part of the store's own
// bookkeeping looks like such a name. A store on a file system could make a
// path of it.
func plain(p Param) bool {
	switch p.Name {
	case "uploadId", "versionId", "version-id-marker", "upload-id-marker":
		return plainID(p.Value)
	case "partNumber":
		return strings.Trim(p.Value, "0123456789") == ""
	}
	return true
}

func plainID(id string) bool {
	return !strings.ContainsAny(id, `/\`) && id != "." && id != ".." &&
		!strings.ContainsFunc(id, func(c rune) bool { return c < ' ' || c == 0x7f })
}

// CheckVersionID refuses what the query parameter versionId may not be either,
// wherever else a version is named. The error is InvalidArgument.
func CheckVersionID(id string) error {
	if !plainID(id) {
		return s3err.InvalidArgument.Msg("The version id is not valid.")
	}
	return nil
}
