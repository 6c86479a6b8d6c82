package proxy

import (
	"net/http"

	"osp/go/hooks"
	"osp/go/s3req"
)

// question is what the validator may see of a verified request.
func (h *handler) question(x *exchange) *hooks.Request {
	address := h.forwarders.client(x.r)
	q := &hooks.Request{
		Token:         x.verified.AccessKey(),
		Bucket:        x.req.Bucket,
		Method:        x.r.Method,
		Path:          x.req.RawPath,
		Source:        address,
		Operation:     string(x.req.Operation),
		Key:           x.req.Key,
		Region:        x.verified.Region(),
		Presigned:     x.verified.Presigned(),
		ClientIP:      address,
		ContentLength: x.r.ContentLength,
	}
	q.VersionID, _ = x.req.Query.Get("versionId")
	for _, p := range x.req.Query {
		if !signature(p.Name) {
			q.Query = append(q.Query, hooks.Param(p))
		}
	}
	if c := x.req.CopySource; c != nil {
		q.CopySource = c.Bucket + "/" + c.Key
	}
	return q
}

// readOf asks for the read that a copy implies, in the name of the copier.
func readOf(copying *hooks.Request, source *s3req.CopySource) *hooks.Request {
	q := *copying
	q.Bucket, q.Key, q.VersionID = source.Bucket, source.Key, source.VersionID
	q.Method, q.Operation = http.MethodGet, string(s3req.GetObject)
	q.Path = "/" + source.Bucket + "/" + s3req.EscapeKey(source.Key)
	q.Query, q.CopySource, q.ContentLength = nil, "", 0
	if source.VersionID != "" {
		q.Query = []hooks.Param{{Name: "versionId", Value: source.VersionID}}
	}
	return &q
}

// listOf asks whether the caller may list one bucket.
func listOf(listing *hooks.Request, bucket string) *hooks.Request {
	q := *listing
	q.Bucket, q.Operation, q.Path, q.Query = bucket, string(s3req.ListObjects), "/"+bucket, nil
	return &q
}
