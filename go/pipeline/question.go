package pipeline

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"osp/go/callbacks"
	"osp/go/names"
	"osp/go/s3op"
)

// question is what the validator may see of a verified request. It is a part
// of the exchange, and made once.
func (p *Pipeline) question(x *exchange) *callbacks.Request {
	q := &x.question
	q.Token, q.Bucket = x.verified.AccessKey(), x.req.Bucket
	if !p.validatorSeesRequest {
		return q
	}
	address := p.hosts.client(x.r)
	q.Method, q.Source, q.ClientIP = x.r.Method, address, address
	q.Path, q.RawPath = x.req.Path, x.req.RawPath
	q.Operation, q.Key, q.ContentLength = string(x.req.Operation), x.req.Key, x.r.ContentLength
	q.Region, q.Presigned = x.verified.Region(), x.verified.Presigned()
	q.Header = x.shownHeader
	q.VersionID, _ = x.req.Query.Get("versionId")
	for _, p := range x.req.Query {
		if hidden(p.Field()) {
			p.Value = notShown
		}
		if !s3op.IsSignature(p.Name) {
			q.Query = append(q.Query, callbacks.Param(p))
		}
	}
	switch c := x.req.CopySource; {
	case c != nil:
		q.CopySource = c.Bucket + "/" + c.Key
	case x.req.RenameSource != "":
		q.CopySource = x.req.Bucket + "/" + x.req.RenameSource
	}
	return q
}

// shownHeader are the fields for a validator to look at: those that may go to a
// store, those that the client has signed or that a form or the query orders, and the host.
// Of keys that encrypt objects only the names are shown.
func (x *exchange) shownHeader() http.Header {
	header := fieldsOf(x.r.Header, x.verified.SignedHeaders(), true, validatorOnly)
	if x.form != nil {
		maps.Copy(header, x.form.header)
	}
	for _, p := range x.req.Query {
		if name := p.Field(); name != "" {
			header[name] = []string{p.Value}
		}
	}
	for name := range header {
		if hidden(name) {
			header[name] = []string{notShown}
		}
	}
	header["Host"] = []string{x.r.Host}
	return header
}

const notShown = "(not shown)"

// hidden reports whether a field holds a key that encrypts an object.
func hidden(field string) bool { return strings.Contains(field, "-Customer-Key") }

// versionOf asks about a version by another spelling of its id.
func versionOf(asked *callbacks.Request, id string) *callbacks.Request {
	q := *asked
	q.VersionID, q.Query = id, slices.Clone(asked.Query)
	for i := range q.Query {
		if q.Query[i].Name == "versionId" {
			q.Query[i].Value = id
		}
	}
	return &q
}

// insteadOf asks about what a store may do instead: one that lacks the
// operation, or one that knows what S3 does not.
func insteadOf(asked *callbacks.Request, op s3op.Operation) *callbacks.Request {
	q := *asked
	q.Operation = string(op)
	return &q
}

// deletionOf asks about one key of a list to delete.
func deletionOf(list *callbacks.Request, object names.Deletion) *callbacks.Request {
	q := *list
	q.Key, q.VersionID, q.ContentLength = object.Key, object.VersionID, 0
	q.Path = s3op.Path(q.Bucket, object.Key)
	return &q
}

// sourceOf asks for what is done to the object that a copy reads, or that a
// renaming takes away, in the name of who asks for that.
func sourceOf(asked *callbacks.Request, source *s3op.CopySource, method string, op s3op.Operation) *callbacks.Request {
	q := *asked
	q.Bucket, q.Key, q.VersionID = source.Bucket, source.Key, source.VersionID
	q.Method, q.Operation = method, string(op)
	q.Path = s3op.Path(source.Bucket, source.Key)
	q.Query, q.CopySource, q.ContentLength = nil, "", 0
	if source.VersionID != "" {
		q.Query = []callbacks.Param{{Name: "versionId", Value: source.VersionID}}
	}
	return &q
}

// listOf asks whether the caller may list one bucket.
func listOf(listing *callbacks.Request, bucket string) *callbacks.Request {
	q := *listing
	q.Bucket, q.Operation, q.Path, q.Query = bucket, string(s3op.ListObjects), s3op.Path(bucket, ""), nil
	return &q
}
