package names

import (
	"encoding/base64"
	"path"
	"regexp"
	"slices"
	"strings"

	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/stores"
	"osp/go/wire"
)

// ownTag is a tag as MinIO writes it.
var ownTag = regexp.MustCompile(`\[minio_cache:v2,(?:return:|id:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12},p:[0-9]{1,3},s:[0-9]{1,3})\]$`)

// places are the query parameters that say where a page of a listing begins, and
// whether a store reads them in base64.
var places = map[string]bool{"marker": false, "start-after": false, "key-marker": false, "continuation-token": true}

// checkPlaces refuses beginnings of pages and ids of uploads of which a store that
// keeps keys as paths would make more than it should. What was sealed here is of
// the store's own making. The error is InvalidArgument.
func checkPlaces(b *stores.Bucket, q s3op.Query) error {
	if b.OpaqueKeys {
		return nil
	}
	for _, p := range q {
		if _, sealed := sealedParams[p.Name]; sealed && b.Prefix != "" {
			continue
		}
		inBase64, isPlace := places[p.Name]
		ok := true
		switch {
		case p.Name == "uploadId" || p.Name == "upload-id-marker":
			ok = plainUpload(p.Value)
		case inBase64:
			inside := wire.LooseBase64(p.Value)
			ok = plainPlace(p.Value) && plainPlace(inside) && !slices.Contains(strings.FieldsFunc(inside, isSlash), "..")
		case isPlace:
			ok = plainPlace(p.Value)
		}
		if !ok {
			return s3err.InvalidArgument.Msg("The value of '" + p.Name + "' is not valid.")
		}
	}
	return nil
}

func isSlash(r rune) bool { return r == '/' || r == '\\' }

// idAndMore is an id that S3Proxy takes for one with the beginning of a key: it
// writes both into one name, with a hyphen between.
var idAndMore = regexp.MustCompile(`^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}-`)

// plainUpload reports whether the id of an upload names one of its key alone.
// MinIO decodes an id and takes what stands behind the first dot for a path below
// the key's own folder. Nothing here rejects ids that are made at random.
func plainUpload(id string) bool {
	if idAndMore.MatchString(id) {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return true
	}
	_, below, _ := strings.Cut(strings.ReplaceAll(string(raw), `\`, "/"), ".")
	const folder = "folder"
	where := path.Join(folder, below)
	return where == folder || strings.HasPrefix(where, folder+"/")
}

// plainPlace reports whether there is no tag in a place, or one of MinIO's own at
// its end.
func plainPlace(place string) bool {
	return !strings.Contains(ownTag.ReplaceAllString(place, ""), stores.CacheTag)
}

// withoutTag is the key in a parameter of a listing.
func withoutTag(p s3op.Param) string {
	if _, isPlace := places[p.Name]; isPlace {
		return ownTag.ReplaceAllString(p.Value, "")
	}
	return p.Value
}
