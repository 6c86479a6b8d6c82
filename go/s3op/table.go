package s3op

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// spec is one operation of S3 as data: what selects it, and what belongs to it.
// Lists are strings with spaces in between.
type spec struct {
	name    Operation
	method  string
	at      scope
	selects string // parameters that select it, with the value that they must have
	needs   string // parameters that it requires
	takes   string // other parameters that it accepts
	headers string // headers that belong to it, in lower case
	actions string // of IAM that it needs; of two with a bar in between, the second one for a version
	body    bool   // the store reads one
}

// operationSpec is a spec prepared for lookups.
type operationSpec struct {
	*spec
	selector string // the parameter by which it is found; empty: the plain operation of its method
	selects  []Param
	needs    []string
	params   map[string]bool // all that belong to it
	fallback Operation       // see Request.Fallback
}

// selected is how an operation is looked up.
type selected struct {
	method string
	at     scope
	by     string
}

// operations are the model's operations; several if their parameters decide.
// selectors are the parameters of each scope by which they are found.
var operations, selectors = func() (map[selected][]*operationSpec, map[scope]map[string]bool) {
	byName := map[selected][]*operationSpec{}
	names := map[scope]map[string]bool{service: {}, bucket: {}, object: {}}
	for i := range model {
		op := ready(&model[i])
		if op.name == CopyObject || op.name == UploadPartCopy {
			continue // a header distinguishes them from PutObject and UploadPart
		}
		at := selected{op.method, op.at, op.selector}
		byName[at] = append(byName[at], op)
		if op.selector != "" {
			names[op.at][op.selector] = true
		}
	}
	for at, ops := range byName {
		plain := byName[selected{at.method, at.at, ""}]
		for _, op := range ops {
			if at.by != "" && len(plain) == 1 && !asDangerous[op.name] {
				op.fallback = plain[0].name
			}
		}
	}
	return byName, names
}()

func ready(s *spec) *operationSpec {
	op := &operationSpec{spec: s, needs: strings.Fields(s.needs), params: map[string]bool{}}
	for _, text := range strings.Fields(s.selects) {
		name, value, _ := strings.Cut(text, "=")
		op.selects = append(op.selects, Param{name, value})
		op.params[name] = true
	}
	for _, name := range strings.Fields(s.needs + " " + s.takes + " " + extensions[s.name]) {
		op.params[name] = true
	}
	switch {
	case len(op.selects) > 0:
		op.selector = op.selects[0].Name
	case slices.Contains(op.needs, uploadID):
		op.selector = uploadID
	}
	return op
}

const uploadID = "uploadId"

// asDangerous are the operations that can do at least as much harm as their
// fallback, so that permission for them covers it: whoever may list versions
// sees the names of objects, and whoever may upload parts writes the object.
var asDangerous = map[Operation]bool{ListObjectsV2: true, ListObjectVersions: true, UploadPart: true}

// extensions are parameters of other stores that change only the form of a
// response, and that clients of S3 send: Ceph lists faster unordered, MinIO's
// own client asks for metadata in listings.
var extensions = map[Operation]string{
	ListObjects:        "allow-unordered",
	ListObjectsV2:      "allow-unordered",
	ListObjectVersions: "allow-unordered",
}

// everywhere are parameters that may accompany any operation: SDKs add their
// names, and overrides of response headers mean nothing where there are none
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
var everywhere = map[string]bool{
	"x-id": true, "response-cache-control": true, "response-content-disposition": true, "response-content-encoding": true,
	"response-content-language": true, "response-content-type": true, "response-expires": true,
}

// belonging are the headers that belong to each operation, in their canonical spelling.
var belonging = func() map[Operation]map[string]bool {
	all := make(map[Operation]map[string]bool, len(model))
	for _, s := range model {
		all[s.name] = map[string]bool{}
		for _, name := range strings.Fields(s.headers) {
			all[s.name][textproto.CanonicalMIMEHeaderKey(name)] = true
		}
	}
	return all
}()

// Takes reports whether a header, by its canonical name, belongs to the operation.
func (op Operation) Takes(header string) bool { return belonging[op][header] }

// IsDocument reports whether the body is a document about something, and not the
// bytes of an object.
func (r *Request) IsDocument() bool {
	switch r.Operation {
	case PutObject, UploadPart, PostObject, Unknown:
		return false
	}
	return r.HasBody()
}

// HasBody reports whether a store reads the request's body. All other bodies
// are not forwarded.
func (r *Request) HasBody() bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		return false
	}
	return r.body
}
