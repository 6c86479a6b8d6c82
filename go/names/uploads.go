package names

import (
	"encoding/base64"
	"path"
	"regexp"
	"strings"
)

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
