package proxy

import (
	"net/http"
	"strings"

	"osp/go/hooks"
	"osp/go/s3req"
	"osp/go/view"
)

// question is what the validator may see of a verified request. It is a part
// of the exchange, and made once.
func (h *handler) question(x *exchange) *hooks.Request {
	q := &x.question
	q.Token, q.Bucket = x.verified.AccessKey(), x.req.Bucket
	if !h.validatorSeesRequest {
		return q
	}
	address := h.hosts.client(x.r)
	q.Method, q.Path, q.Source, q.ClientIP = x.r.Method, x.req.Path, address, address
	q.Operation, q.Key, q.ContentLength = string(x.req.Operation), x.req.Key, x.r.ContentLength
	q.Region, q.Presigned = x.verified.Region(), x.verified.Presigned()
	q.Header = func() http.Header { return shownHeader(x.r, x.verified.SignedHeaders()) }
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

// shownHeader are the fields for a validator to look at: those that may go to a
// store, without the keys that encrypt objects, and the host.
func shownHeader(r *http.Request, signed []string) http.Header {
	shown := storeHeader(r.Header, signed)
	for name := range shown {
		if strings.Contains(name, "-Customer-Key") {
			delete(shown, name)
		}
	}
	shown["Host"] = []string{r.Host}
	return shown
}

// deletionOf asks about one key of a list to delete.
func deletionOf(list *hooks.Request, object view.Deletion) *hooks.Request {
	q := *list
	q.Key, q.VersionID, q.ContentLength = object.Key, object.VersionID, 0
	q.Path = "/" + s3req.EscapeKey(q.Bucket) + "/" + s3req.EscapeKey(object.Key)
	return &q
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
