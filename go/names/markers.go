package names

import (
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

// markers are the query parameters that say where a page of a listing begins, and
// whether a store reads them in base64.
var markers = map[string]bool{"marker": false, "start-after": false, "key-marker": false, "continuation-token": true}

// checkMarkers refuses beginnings of pages and ids of uploads of which a store that
// keeps keys as paths would make more than it should. What was sealed here is of
// the store's own making. The error is InvalidArgument.
func checkMarkers(b *stores.Bucket, q s3op.Query) error {
	if b.OpaqueKeys {
		return nil
	}
	for _, p := range q {
		if _, sealed := sealedParams[p.Name]; sealed && b.Prefix != "" {
			continue
		}
		inBase64, isMarker := markers[p.Name]
		ok := true
		switch {
		case p.Name == "uploadId" || p.Name == "upload-id-marker":
			ok = plainUpload(p.Value)
		case inBase64:
			inside := wire.LooseBase64(p.Value)
			ok = plainMarker(p.Value) && plainMarker(inside) && !slices.Contains(strings.FieldsFunc(inside, isSlash), "..")
		case isMarker:
			ok = plainMarker(p.Value)
		}
		if !ok {
			return s3err.InvalidArgument.Msg("The value of '" + p.Name + "' is not valid.")
		}
	}
	return nil
}

func isSlash(r rune) bool { return r == '/' || r == '\\' }

// plainMarker reports whether there is no tag in a place, or one of MinIO's own at
// its end.
func plainMarker(place string) bool {
	return !strings.Contains(ownTag.ReplaceAllString(place, ""), stores.CacheTag)
}

// withoutTag is the key in a parameter of a listing.
func withoutTag(p s3op.Param) string {
	if _, isMarker := markers[p.Name]; isMarker {
		return ownTag.ReplaceAllString(p.Value, "")
	}
	return p.Value
}
