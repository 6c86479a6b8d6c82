package s3op

import (
	"net/http"
	"strings"

	"osp/go/s3err"
)

// Operation is S3's own name for what a request does, as in AWS's API
// reference.
type Operation string

// The operations that the proxy itself treats specially.
const (
	ListBuckets             Operation = "ListBuckets"
	ListObjects             Operation = "ListObjects"
	ListObjectsV2           Operation = "ListObjectsV2"
	ListObjectVersions      Operation = "ListObjectVersions"
	GetObject               Operation = "GetObject"
	PutObject               Operation = "PutObject"
	DeleteObject            Operation = "DeleteObject"
	DeleteObjects           Operation = "DeleteObjects"
	CopyObject              Operation = "CopyObject"
	RenameObject            Operation = "RenameObject"
	UploadPart              Operation = "UploadPart"
	UploadPartCopy          Operation = "UploadPartCopy"
	CompleteMultipartUpload Operation = "CompleteMultipartUpload"
	AbortMultipartUpload    Operation = "AbortMultipartUpload"
	ListParts               Operation = "ListParts"
	RestoreObject           Operation = "RestoreObject"

	// PostObject and Preflight are not in AWS's model: they are for browsers.
	PostObject Operation = "PostObject"
	Preflight  Operation = "Preflight"

	// Unknown is a request that S3 does not have. Request.Unlisted says why.
	Unknown Operation = "Unknown"
)

// scope is what a request addresses.
type scope int

const (
	service scope = iota
	bucket
	object
)

func (r *Request) scope() scope {
	switch {
	case r.Bucket == "":
		return service
	case r.Key == "":
		return bucket
	}
	return object
}

// classify finds the operation. If there is none it is Unknown; the reason why
// S3 does not have such a request is put into r.Unlisted. The errors are for
// what no store may see.
func (r *Request) classify(header http.Header) error {
	if !methods[r.Method] { // some stores have interfaces of their own for others
		return s3err.MethodNotAllowed
	}
	unlisted, err := checkHeaders(header)
	if err != nil {
		return err
	}
	if err := checkParams(r.Query, header); err != nil {
		return err
	}
	r.Unlisted = unlisted
	if r.Method == http.MethodOptions { // its query is that of the request that follows
		r.Operation = Preflight
		return nil
	}
	selector, err := r.selector()
	if err != nil {
		return err
	}
	if r.Method == http.MethodPost && r.scope() == bucket && isForm(header) {
		return r.form(selector, header)
	}
	candidates := operations[selected{r.Method, r.scope(), selector}]
	if len(candidates) == 0 {
		r.Operation, r.Selected, r.Unlisted, r.body = Unknown, selector != "", s3err.MethodNotAllowed, true
		for _, plain := range operations[selected{r.Method, r.scope(), ""}] {
			r.Fallback = plain.name
		}
		return r.sources(header)
	}
	op, err := r.choose(candidates)
	if err != nil {
		return err
	}
	r.Operation, r.Selected, r.Fallback, r.body = op.name, selector != "", op.fallback, op.body
	for _, p := range r.Query {
		if !op.params[p.Name] && !everywhere[p.Name] && !ofHeader(p) && !isNote(p.Name) {
			r.Unlisted = s3err.NotImplemented.Msg("The query parameter '" + brief(p.Name) + "' does not belong to " + string(op.name) + ".")
			break
		}
	}
	return r.sources(header)
}

// methods are S3's.
var methods = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPut: true, http.MethodPost: true, http.MethodDelete: true, http.MethodOptions: true,
}

// form is classify for a form. Its policy does not cover the query, so that may
// contain only notes, which are not passed on; and a form with a parameter that
// selects an operation is one to some stores, but not to others.
func (r *Request) form(selector string, header http.Header) error {
	if selector != "" {
		return s3err.InvalidRequest.Msg("A form must be posted to a bucket, not to a part of one.")
	}
	for _, p := range r.Query {
		if !isNote(p.Name) && p.Name != "x-id" {
			return s3err.InvalidArgument.Msg("The query parameter '" + brief(p.Name) + "' does not belong to a form.")
		}
	}
	r.Operation, r.Query, r.body = PostObject, nil, true
	return r.sources(header)
}

// selector finds the one parameter that selects an operation. Two of them are
// refused, as by AWS: stores disagree on which one wins.
func (r *Request) selector() (string, error) {
	found := ""
	for _, p := range r.Query {
		if !selectors[r.scope()][p.Name] {
			continue
		}
		if found != "" {
			return "", s3err.InvalidArgument.Msg("Conflicting query string parameters: " + found + ", " + p.Name)
		}
		found = p.Name
	}
	return found, nil
}

// choose finds the operation whose parameters are all present; of two the one
// that needs more, which is about one configuration rather than the list of
// them. A parameter that selects has exactly the value that it must have: some
// stores look only for the name, others also for the value.
func (r *Request) choose(candidates []*operationSpec) (*operationSpec, error) {
	var chosen *operationSpec
	missing := ""
	for _, op := range candidates {
		lacks := r.lacks(op)
		switch {
		case lacks != "":
			missing = lacks
		case chosen == nil || len(op.needs) > len(chosen.needs):
			chosen = op
		}
	}
	if chosen == nil {
		return nil, s3err.InvalidArgument.Msg("The query parameter '" + missing + "' is required.")
	}
	for _, p := range chosen.selects {
		if value, _ := r.Query.Get(p.Name); value != p.Value {
			return nil, s3err.InvalidArgument.Msg("The value of '" + p.Name + "' is not valid.")
		}
	}
	return chosen, nil
}

// lacks returns the first parameter that an operation needs and that is
// missing.
func (r *Request) lacks(op *operationSpec) string {
	for _, name := range op.needs {
		if !r.Query.Has(name) {
			return name
		}
	}
	return ""
}

func isForm(header http.Header) bool {
	mediaType, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "multipart/form-data")
}

// Writes reports whether the request may change anything at the store. What S3
// does not have may change anything.
func (r *Request) Writes() bool { return r.Unlisted != nil || r.Operation.Writes() }

// Writes reports whether the operation may change anything at the store. What
// is not known to be a read is a write.
func (op Operation) Writes() bool {
	s := string(op)
	return !(strings.HasPrefix(s, "Get") || strings.HasPrefix(s, "Head") || strings.HasPrefix(s, "List") ||
		op == "SelectObjectContent" || op == Preflight)
}

// Class is what kind of work an operation is for a store.
type Class uint8

// The classes. What is not known to be another one is a write.
const (
	Read Class = iota
	Write
	List
	Delete
	Classes // how many there are
)

// String is the class's name in a configuration.
func (c Class) String() string { return [Classes]string{"read", "write", "list", "delete"}[c] }

// Class is that of the request's operation.
func (r *Request) Class() Class {
	switch name := string(r.Operation); {
	case r.Unlisted != nil:
		return Write
	case strings.HasPrefix(name, "List"):
		return List
	case strings.HasPrefix(name, "Delete"), r.Operation == AbortMultipartUpload:
		return Delete
	case r.Operation.Writes():
		return Write
	}
	return Read
}
