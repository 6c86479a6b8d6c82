package s3op

import (
	"encoding/hex"
	"maps"
	"net/http"
	"net/textproto"
	"strings"

	"osp/go/s3err"
	"osp/go/wire"
)

// modelled are the headers that belong to any operation, in their canonical
// spelling. Clients are careless about which they send with which operation.
var modelled = func() map[string]bool {
	known := map[string]bool{}
	for _, headers := range belonging {
		maps.Copy(known, headers)
	}
	return known
}()

// Known reports whether S3 has a header in any operation.
func Known(name string) bool { return modelled[textproto.CanonicalMIMEHeaderKey(name)] }

// protocol are the headers of signatures and of aws-chunked
// (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTCommonRequestHeaders.html),
// and what SDKs add to every request.
var protocol = map[string]bool{
	"X-Amz-Content-Sha256": true, "X-Amz-Date": true, "X-Amz-Decoded-Content-Length": true, "X-Amz-Security-Token": true,
	"X-Amz-Trailer": true, "X-Amz-Te": true, "X-Amz-User-Agent": true, "X-Amz-Api-Version": true,
}

const (
	copySource   = "X-Amz-Copy-Source"
	renameSource = "X-Amz-Rename-Source"
	metadata     = "X-Amz-Meta-"
)

// checkHeaders looks for headers that S3 does not have. Instructions in other
// dialects are an error. With an x-amz-* header that S3 does not have the
// request is unknown: without it the request might lack a condition, and lose
// data. All other headers don't matter; they do not reach a store.
func checkHeaders(header http.Header) (unlisted, err error) {
	for name, values := range header {
		if len(values) > 1 && once(name) {
			return nil, s3err.InvalidArgument.Msg("The header " + brief(name) + " is given more than once.")
		}
		switch {
		case !vendors(name) || modelled[name] || protocol[name]:
		case Foreign(name):
			return nil, s3err.NotImplemented.Msg("The header " + brief(name) + " is not supported.")
		case wire.HasPrefixFold(name, "x-amz-") && !wire.HasPrefixFold(name, "x-amz-meta-"):
			unlisted = s3err.NotImplemented.Msg("The header " + brief(name) + " does not exist in S3.")
		}
	}
	return unlisted, nil
}

// once reports whether a header of S3's may have only one value: of several lines
// a store may obey the first, while the validator sees all of them. Only lists of
// attributes are sent on several lines, by some SDKs.
func once(name string) bool {
	return wire.HasPrefixFold(name, "x-amz-") && !wire.HasPrefixFold(name, "x-amz-meta-") && !strings.HasSuffix(name, "-Object-Attributes")
}

// vendors reports whether a header may be a vendor's: it begins with "x-", or
// with Ceph's rgwx-.
func vendors(name string) bool {
	return name != "" && (name[0]|0x20 == 'x' || name[0]|0x20 == 'r')
}

// checkParams refuses what no store may see: values that a store could take for
// others, instructions in other dialects than S3's, and instructions that are
// also given in a header: nobody could tell which of the two counts.
func checkParams(q Query, header http.Header) error {
	for _, p := range q {
		switch {
		case p.Name == "session": // CreateSession hands out the store's own credentials
			return s3err.NotImplemented.Msg("CreateSession is not supported.")
		case Foreign(p.Name), wire.HasPrefixFold(p.Name, "x-amz-copy-source"), wire.HasPrefixFold(p.Name, "x-amz-rename-source"):
			// the last two are headers only
			return s3err.NotImplemented.Msg("The query parameter '" + brief(p.Name) + "' is not supported.")
		case header[p.Field()] != nil:
			return s3err.InvalidArgument.Msg("The query parameter '" + brief(p.Name) + "' is given as a header, too.")
		}
		if err := checkValue(p); err != nil {
			return err
		}
	}
	return nil
}

// checkValue refuses parameters without the value that they need, those that
// name a part of the store's own bookkeeping but don't look like it, and those
// that are longer than what could be found by them: policies would compare them.
// Where a page begins is another matter: some stores write more than a key there.
func checkValue(p Param) error {
	ok := true
	switch p.Name {
	case "versionId":
		if ok = p.Value != ""; ok {
			return CheckVersionID(p.Value)
		}
	case "version-id-marker":
		return CheckVersionID(p.Value)
	case uploadID:
		ok = p.Value != "" && isID(p.Value)
	case "upload-id-marker":
		ok = isID(p.Value)
	case "prefix":
		return CheckKey(p.Value)
	case "delimiter":
		ok = len(p.Value) <= wire.LongestKey
	case "partNumber":
		ok = p.Value != "" && strings.Trim(p.Value, "0123456789") == "" // the store says which of them exist
	case "id", "annotationName":
		ok = p.Value != ""
	}
	if !ok {
		return s3err.InvalidArgument.Msg("The value of '" + p.Name + "' is not valid.")
	}
	return nil
}

// CheckVersionID refuses what can't be the id of a version. It may be empty.
// The error is InvalidArgument.
func CheckVersionID(id string) error {
	if len(id) > wire.LongestVersionID || !isID(id) {
		return s3err.InvalidArgument.Msg("Invalid version id specified")
	}
	return nil
}

// isID reports whether a text may name a version or an upload: letters, digits
// and the characters that stores put between them. Some stores cut off blanks
// around an id, which may leave nothing; a store on a file system could take
// other texts for a path. A UUID has only one spelling, in lower case.
func isID(id string) bool {
	other := func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._~+=-", c))
	}
	if strings.ContainsFunc(id, other) || id == "." || id == ".." {
		return false
	}
	switch {
	case looksLikeUUID(id):
		return id == strings.ToLower(id)
	case len(id) == 38: // some stores take the first and the last character for braces, whatever they are
		return !looksLikeUUID(id[1:37])
	}
	return true
}

func looksLikeUUID(id string) bool {
	return len(id) == 36 && strings.Count(id, "-") == 4 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-'
}

// UUID is the canonical spelling of an id of 32 hexadecimal digits, and empty
// for all others. To some stores such an id stands for itself, and to MinIO for
// the version that has hyphens in between.
func UUID(id string) string {
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 {
		return ""
	}
	id = strings.ToLower(id)
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

// ofHeader reports whether a parameter of a presigned URL stands for a header
// of S3, as SDKs write them there, or belongs to the signature.
func ofHeader(p Param) bool { return wire.IsSignature(p.Name) || p.Field() != "" }

// Field is the canonical name of the S3 header that the parameter stands for,
// empty if it stands for none.
func (p Param) Field() string {
	if wire.IsSignature(p.Name) || !wire.HasPrefixFold(p.Name, "x-amz-") {
		return ""
	}
	name := textproto.CanonicalMIMEHeaderKey(p.Name)
	if modelled[name] || strings.HasPrefix(name, metadata) {
		return name
	}
	return ""
}

// brief shortens a client's name for a message.
func brief(name string) string {
	const most = 64
	if len(name) > most {
		return name[:most] + "..."
	}
	return name
}

// isNote reports whether a parameter is one that users add for AWS's access log
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html): they
// begin with "x-" and mean nothing to S3.
func isNote(name string) bool {
	if strings.EqualFold(name, "x-amz-user-agent") { // which some SDKs sign into URLs
		return true
	}
	return wire.HasPrefixFold(name, "x-") && !wire.HasPrefixFold(name, "x-amz-") && name != "x-id"
}

// ForStore is the query without what is meant for the proxy: the signature of a
// presigned URL, and notes, which a store that knows such a name would take for
// an instruction.
func (q Query) ForStore() Query {
	out := make(Query, 0, len(q))
	for _, p := range q {
		if !wire.IsSignature(p.Name) && !isNote(p.Name) {
			out = append(out, p)
		}
	}
	return out
}

// dialects are the beginnings of names that S3 does not have, but that stores
// understand which speak other dialects as well: MinIO, Google, Ceph, Alibaba,
// Huawei, Tencent. A client may well sign them, but the store would act on them
// with the rights of the proxy's keys: x-minio-force-delete deletes a whole
// folder, and x-amz-meta-snowball-auto-extract unpacks a tar anywhere in the
// bucket.
var dialects = []string{
	"x-minio-", "x-goog-", "x-rgw-", "rgwx-", "x-oss-", "x-obs-", "x-cos-",
	"x-amz-meta-snowball-", "x-amz-meta-minio-",
}

// Foreign reports whether a name, in any case, belongs to another dialect than
// S3's. That includes all that name a second object, and names that become S3's
// if underscores are replaced by hyphens, as CGI does.
func Foreign(name string) bool {
	if wire.HasPrefixFold(name, "x-amz-") && !wire.HasPrefixFold(name, "x-amz-meta-") && strings.Contains(name, "_") {
		return true
	}
	for _, dialect := range dialects {
		if wire.HasPrefixFold(name, dialect) {
			return true
		}
	}
	return wire.ContainsFold(name, "-copy-source") && !wire.HasPrefixFold(name, "x-amz-copy-source") ||
		wire.ContainsFold(name, "-rename-source") && !wire.HasPrefixFold(name, "x-amz-rename-source")
}
