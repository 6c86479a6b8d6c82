package s3req

import (
	"net/http"
	"strings"

	"osp/go/s3err"
)

// Operation is S3's own name of what a request asks for, as in AWS's API reference.
type Operation string

// The operations that the proxy itself treats in a way of their own.
const (
	ListBuckets             Operation = "ListBuckets"
	ListObjects             Operation = "ListObjects"
	GetObject               Operation = "GetObject"
	DeleteObjects           Operation = "DeleteObjects"
	CopyObject              Operation = "CopyObject"
	UploadPartCopy          Operation = "UploadPartCopy"
	CompleteMultipartUpload Operation = "CompleteMultipartUpload"
	PostObject              Operation = "PostObject"
	RestoreObject           Operation = "RestoreObject"
	Preflight               Operation = "Preflight"

	// Unknown is a request with a subresource that this table doesn't know. It
	// is authorised under this name, so that a validator which lists what it
	// allows refuses it.
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

// defaults are the operations of a request without a subresource.
var defaults = map[scope]map[string]Operation{
	service: {"GET": ListBuckets},
	bucket:  {"GET": ListObjects, "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"},
	object:  {"GET": GetObject, "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"},
}

// crud expands to the three operations of a bucket's or object's configuration.
func crud(name string) map[string]Operation {
	return map[string]Operation{
		"GET": Operation("Get" + name), "PUT": Operation("Put" + name), "DELETE": Operation("Delete" + name),
	}
}

// subresources select an operation by a query parameter's name, whatever its value.
var subresources = map[scope]map[string]map[string]Operation{
	bucket: {
		"accelerate":          crud("BucketAccelerateConfiguration"),
		"acl":                 crud("BucketAcl"),
		"analytics":           crud("BucketAnalyticsConfiguration"),
		"cors":                crud("BucketCors"),
		"encryption":          crud("BucketEncryption"),
		"intelligent-tiering": crud("BucketIntelligentTieringConfiguration"),
		"inventory":           crud("BucketInventoryConfiguration"),
		"lifecycle":           crud("BucketLifecycleConfiguration"),
		"location":            {"GET": "GetBucketLocation"},
		"logging":             crud("BucketLogging"),
		"metrics":             crud("BucketMetricsConfiguration"),
		"notification":        crud("BucketNotificationConfiguration"),
		"object-lock":         crud("ObjectLockConfiguration"),
		"ownershipControls":   crud("BucketOwnershipControls"),
		"policy":              crud("BucketPolicy"),
		"policyStatus":        {"GET": "GetBucketPolicyStatus"},
		"publicAccessBlock":   crud("PublicAccessBlock"),
		"replication":         crud("BucketReplication"),
		"requestPayment":      crud("BucketRequestPayment"),
		"tagging":             crud("BucketTagging"),
		"versioning":          crud("BucketVersioning"),
		"versions":            {"GET": "ListObjectVersions"},
		"uploads":             {"GET": "ListMultipartUploads"},
		"website":             crud("BucketWebsite"),
		"delete":              {"POST": DeleteObjects},
	},
	object: {
		"acl":        crud("ObjectAcl"),
		"attributes": {"GET": "GetObjectAttributes"},
		"legal-hold": crud("ObjectLegalHold"),
		"retention":  crud("ObjectRetention"),
		"tagging":    crud("ObjectTagging"),
		"torrent":    {"GET": "GetObjectTorrent"},
		"restore":    {"POST": RestoreObject},
		"select":     {"POST": "SelectObjectContent"},
		"uploads":    {"POST": "CreateMultipartUpload"},
		"uploadId": {
			"GET": "ListParts", "PUT": "UploadPart", "POST": CompleteMultipartUpload, "DELETE": "AbortMultipartUpload",
		},
	},
}

// valueless are parameters that may come without a value and still select nothing.
var valueless = map[string]bool{
	"prefix": true, "delimiter": true, "marker": true, "start-after": true, "continuation-token": true,
	"encoding-type": true, "fetch-owner": true, "key-marker": true, "version-id-marker": true,
	"upload-id-marker": true, "versionId": true, "max-keys": true, "id": true, "partNumber": true,
	"x-id": true, "allow-unordered": true,
}

func operation(r *Request, header http.Header) (Operation, error) {
	if err := refused(r, header); err != nil {
		return "", err
	}
	if r.Method == http.MethodOptions {
		return Preflight, nil
	}
	at := r.scope()
	selected, err := selector(r.Query, subresources[at])
	if err != nil {
		return "", err
	}
	op, known := defaults[at][r.Method]
	if selected != "" {
		op, known = subresources[at][selected][r.Method]
		if !known && r.Method == http.MethodHead {
			op, known = Unknown, true
		}
	} else if at == bucket && r.Method == http.MethodPost && isForm(header) {
		return PostObject, nil
	}
	if !known {
		return "", s3err.MethodNotAllowed
	}
	return refine(op, r), nil
}

// selector finds the one subresource of a query. Two of them are refused as
// AWS does: stores disagree on which one wins.
func selector(q Query, table map[string]map[string]Operation) (string, error) {
	found := ""
	for _, p := range q {
		if _, ok := table[p.Name]; !ok {
			continue
		}
		if found != "" {
			return "", s3err.InvalidArgument.Msg("Conflicting query string parameters: " + found + ", " + p.Name)
		}
		found = p.Name
	}
	return found, nil
}

// refine tells apart operations that share method and subresource.
func refine(op Operation, r *Request) Operation {
	switch op {
	case ListObjects:
		if v, _ := r.Query.Get("list-type"); v == "2" {
			op = "ListObjectsV2"
		}
	case "UploadPart":
		if !r.Query.Has("partNumber") {
			return Unknown
		}
		if r.CopySource != nil {
			return UploadPartCopy
		}
		return op
	case "PutObject":
		if r.CopySource != nil {
			return CopyObject
		}
	}
	if isDefault(op) && hasUnknownSubresource(r) {
		return Unknown
	}
	return op
}

func isDefault(op Operation) bool {
	switch op {
	case ListObjects, "ListObjectsV2", GetObject, "HeadObject", "PutObject", "DeleteObject", "HeadBucket", "CreateBucket", "DeleteBucket":
		return true
	}
	return false
}

func hasUnknownSubresource(r *Request) bool {
	for _, p := range r.Query {
		if p.Value == "" && !valueless[p.Name] && !strings.HasPrefix(p.Name, "response-") && !strings.HasPrefix(p.Name, "X-Amz-") {
			return true
		}
	}
	return false
}

func isForm(header http.Header) bool {
	mediaType, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "multipart/form-data")
}

// Writes reports whether the operation may change anything at the store. What
// is not known to be a read is a write.
func (op Operation) Writes() bool {
	s := string(op)
	return !(strings.HasPrefix(s, "Get") || strings.HasPrefix(s, "Head") || strings.HasPrefix(s, "List") ||
		op == "SelectObjectContent" || op == Preflight)
}
