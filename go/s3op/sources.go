package s3op

import (
	"net/http"
	"strings"

	"osp/go/s3err"
	"osp/go/wire"
)

// CopySource is the object that CopyObject and UploadPartCopy read.
type CopySource struct {
	Bucket, Key string // decoded
	VersionID   string // empty: the current version
}

// Header renders the source for a store's x-amz-copy-source header.
func (c *CopySource) Header(bucket string) string {
	s := bucket + "/" + wire.Encode(c.Key, wire.InPath)
	if c.VersionID != "" {
		s += "?versionId=" + wire.Encode(c.VersionID, wire.InQuery)
	}
	return s
}

// sources reads the headers that name a second object. They make different
// operations of two, belong to a third, and are refused elsewhere: some stores
// obey them on any request.
func (r *Request) sources(header http.Header) error {
	var err error
	if values := header[copySource]; len(values) > 0 {
		switch r.Operation {
		case PutObject:
			r.Operation = CopyObject
		case UploadPart:
			r.Operation = UploadPartCopy
		default:
			return s3err.InvalidRequest.Msg("x-amz-copy-source does not belong to " + string(r.Operation) + ".")
		}
		r.body = false
		r.CopySource, err = readCopySource(values)
		return err
	}
	values := header[renameSource]
	switch renames := r.Operation == RenameObject; {
	case !renames && len(values) > 0:
		return s3err.InvalidRequest.Msg("x-amz-rename-source does not belong to " + string(r.Operation) + ".")
	case renames:
		r.RenameSource, err = readRenameSource(values)
	}
	return err
}

var errNoCopySource = s3err.InvalidArgument.Msg("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")

// readCopySource reads x-amz-copy-source: `/bucket/key` or `bucket/key`,
// percent-encoded, followed by an optional `?versionId=`; a plus sign is a
// space, as in a query
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html).
func readCopySource(values []string) (*CopySource, error) {
	if len(values) > 1 || values[0] == "" {
		return nil, errNoCopySource
	}
	raw, version, hasVersion := strings.Cut(values[0], "?")
	c := &CopySource{}
	if hasVersion {
		id, ok := strings.CutPrefix(version, "versionId=")
		if !ok || strings.ContainsAny(id, "&") {
			return nil, s3err.InvalidArgument.Msg("Unsupported copy source parameter.")
		}
		var err error
		if c.VersionID, err = decode(id, wire.InPath); err != nil {
			return nil, err
		}
		if err := CheckVersionID(c.VersionID); err != nil {
			return nil, err
		}
	}
	path, err := decode(raw, wire.InQuery)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(path, "arn:") {
		return nil, s3err.NotImplemented.Msg("Copy sources by ARN are not supported.")
	}
	c.Bucket, c.Key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if c.Bucket == "" || c.Key == "" {
		return nil, errNoCopySource
	}
	return c, CheckKey(c.Key)
}

// readRenameSource reads x-amz-rename-source, a key in the same bucket,
// percent-encoded
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_RenameObject.html). A
// store might read a leading slash as the beginning of a bucket and a key.
func readRenameSource(values []string) (string, error) {
	if len(values) != 1 || values[0] == "" {
		return "", s3err.InvalidArgument.Msg("x-amz-rename-source must name the object to rename.")
	}
	key, err := decode(values[0], wire.InPath)
	if err != nil {
		return "", err
	}
	if key[0] == '/' || strings.HasPrefix(key, "arn:") {
		return "", s3err.InvalidArgument.Msg("x-amz-rename-source must be a key in the same bucket, without a leading slash.")
	}
	return key, CheckKey(key)
}
