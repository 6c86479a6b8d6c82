package names

import (
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/stores"
)

// A store's token for a place in a listing is often the last key of the page,
// plain or in base64, and so names the folder. Clients of a folder get it
// sealed, and upload ids likewise; they send both back unchanged.
const (
	continuationToken = "continuation-token"
	uploadID          = "upload-id"
)

// sealedParams are the query parameters that contain a sealed text, and its
// kind.
var sealedParams = map[string]string{
	"continuation-token": continuationToken, "uploadId": uploadID, "upload-id-marker": uploadID,
}

// sealed returns what a client may see. An empty text has nothing to hide.
func sealed(b *stores.Bucket, what, text string) (string, error) {
	if b.Prefix == "" || text == "" {
		return text, nil
	}
	return b.Tokens.Seal(of(b, what), text)
}

// opened returns a parameter as the store knows it. The errors are those that
// S3 has for a token or an upload that it never issued.
func opened(b *stores.Bucket, p s3op.Param) (s3op.Param, error) {
	what, isSealed := sealedParams[p.Name]
	if !isSealed || p.Value == "" { // an empty marker means none; no upload has an empty id (s3op)
		return p, nil
	}
	text, ok := b.Tokens.Open(of(b, what), p.Value)
	if ok {
		p.Value = text
		return p, nil
	}
	switch p.Name {
	case "uploadId":
		return p, s3err.NoSuchUpload
	case "upload-id-marker":
		return p, s3err.InvalidArgument.Msg("Invalid uploadId marker")
	}
	return p, s3err.InvalidArgument.Msg("The continuation token provided is incorrect")
}

// of binds what is sealed to one of the buckets that match a pattern.
func of(b *stores.Bucket, what string) string { return what + " of " + b.Name }
