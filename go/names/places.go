package names

import (
	"regexp"
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

// checkPlaces refuses beginnings of pages in which a store that keeps keys as
// paths would find more than a key. The error is InvalidArgument.
func checkPlaces(b *stores.Bucket, q s3op.Query) error {
	if b.OpaqueKeys {
		return nil
	}
	for _, p := range q {
		inBase64, isPlace := places[p.Name]
		if !isPlace {
			continue
		}
		ok := plainPlace(p.Value)
		if inBase64 {
			inside := wire.LooseBase64(p.Value)
			ok = ok && plainPlace(inside) && !wire.Climbs(inside)
		}
		if !ok {
			return s3err.InvalidArgument.Msg("The value of '" + p.Name + "' is not valid.")
		}
	}
	return nil
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
