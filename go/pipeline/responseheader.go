package pipeline

import (
	"net/http"
	"strings"

	"osp/go/upstream"
)

// clientHeader copies the fields of a store's response that go to the client.
func clientHeader(to, store http.Header) {
	named := connectionNamed(store)
	for name, values := range store {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer",
			"Transfer-Encoding", "Upgrade", "Server":
			continue
		}
		if !named[name] {
			to[upstream.Spell(name)] = values
		}
	}
	if store["Content-Type"] == nil {
		to["Content-Type"] = nil // or net/http would guess one
	}
}

// namelessFields are the fields of responses, apart from S3's x-amz-, that do not
// say where something is: HTTP's own, and the code that MinIO's clients look
// for when a HEAD is refused.
var namelessFields = map[string]bool{
	"Accept-Ranges": true, "Age": true, "Allow": true, "Cache-Control": true, "Connection": true, "Content-Disposition": true,
	"Content-Encoding": true, "Content-Language": true, "Content-Length": true, "Content-Md5": true, "Content-Range": true,
	"Content-Type": true, "Date": true, "Etag": true, "Expires": true, "Last-Modified": true, "Pragma": true, "Retry-After": true,
	"Transfer-Encoding": true, "Vary": true, "X-Content-Type-Options": true, "X-Minio-Error-Code": true,
}

// withoutNames are the fields of a store's response that name neither the bucket
// nor a key. Of S3's own a few do; what other dialects say (Ceph's Bucket,
// MinIO's X-Minio-Error-Desc) nobody knows, so it ends here.
func withoutNames(store http.Header) http.Header {
	out := make(http.Header, len(store))
	for name, values := range store {
		switch {
		case strings.HasPrefix(name, "X-Amz-Error-"), name == "X-Amz-Copy-Source", name == "X-Amz-Bucket-Arn", name == "X-Amz-Restore-Output-Path",
			name == "X-Amz-Server-Side-Encryption-Context": // by default the object's ARN
		case namelessFields[name], strings.HasPrefix(name, "X-Amz-"), strings.HasPrefix(name, "Access-Control-"):
			out[name] = values
		}
	}
	return out
}
