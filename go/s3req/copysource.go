package s3req

import (
	"net/http"
	"strings"

	"osp/go/s3err"
)

// CopySource is the object that CopyObject and UploadPartCopy read.
type CopySource struct {
	Bucket, Key string // decoded
	VersionID   string // empty: the current version
}

// Header renders the source for a store's x-amz-copy-source header.
func (c *CopySource) Header(bucket string) string {
	s := bucket + "/" + EscapeKey(c.Key)
	if c.VersionID != "" {
		s += "?versionId=" + string(appendEscaped(nil, c.VersionID, false))
	}
	return s
}

// copySource reads x-amz-copy-source: `/bucket/key` or `bucket/key`, percent-
// encoded, with `?versionId=` behind it
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html).
func copySource(header http.Header) (*CopySource, error) {
	values := header["X-Amz-Copy-Source"]
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > 1 || values[0] == "" {
		return nil, s3err.InvalidArgument.Msg("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	raw, version, hasVersion := strings.Cut(values[0], "?")
	c := &CopySource{}
	if hasVersion {
		id, ok := strings.CutPrefix(version, "versionId=")
		if !ok || strings.ContainsAny(id, "&") {
			return nil, s3err.InvalidArgument.Msg("Unsupported copy source parameter.")
		}
		var err error
		if c.VersionID, err = unescape(id); err != nil {
			return nil, err
		}
	}
	path, err := unescape(raw)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(path, "arn:") {
		return nil, s3err.NotImplemented.Msg("Copy sources by ARN are not supported.")
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if bucket == "" || key == "" {
		return nil, s3err.InvalidArgument.Msg("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	c.Bucket, c.Key = bucket, key
	return c, nil
}
