package copier

import (
	"net/http"
	"strconv"
	"strings"

	"osp/go/names"
	"osp/go/payload"
	"osp/go/s3err"
	"osp/go/s3op"
)

// directives are what the client's header says about how to copy.
type directives struct {
	conditions   conditions
	replaces     bool // the metadata
	copiesTags   bool
	algorithm    payload.Algorithm // of the checksum that the copy gets; None: that of the source
	first, last  int64             // of a range
	ranged       bool
	sourceHeader http.Header // of every call to the source's store
	targetHeader http.Header // of every call to the target's store
}

const (
	sourcePrefix   = "X-Amz-Copy-Source-"
	metadataPrefix = "X-Amz-Meta-"
	customerPrefix = "Server-Side-Encryption-Customer-"
	taggingHeader  = "X-Amz-Tagging"
	redirectHeader = "X-Amz-Website-Redirect-Location"
)

// readDirectives reads what can be judged before any store is asked.
func readDirectives(r *Request) (directives, error) {
	d := directives{sourceHeader: headerForSource(r.Header), targetHeader: http.Header{}}
	var err error
	if d.conditions, err = readConditions(r.Header); err != nil {
		return d, err
	}
	if r.Operation == s3op.UploadPartCopy {
		copyTaken(d.targetHeader, r.Header, s3op.UploadPartCopy, s3op.UploadPart)
		err = d.readRange(r.Header.Get(sourcePrefix + "Range"))
		return d, err
	}
	copyTaken(d.targetHeader, r.Header, s3op.CopyObject, s3op.PutObject)
	if err = d.readKinds(r.Header); err != nil {
		return d, err
	}
	if isSelf(r) && !d.replaces && !changes(r.Header) {
		return d, errSelf
	}
	return d, nil
}

// readKinds reads x-amz-metadata-directive and its like.
func (d *directives) readKinds(h http.Header) error {
	metadata, tagging := h.Get("X-Amz-Metadata-Directive"), h.Get("X-Amz-Tagging-Directive")
	switch {
	case !oneOf(metadata, "COPY", "REPLACE"):
		return s3err.InvalidArgument.Msg("Unknown metadata directive.")
	case !oneOf(tagging, "COPY", "REPLACE"):
		return s3err.InvalidArgument.Msg("Unknown tagging directive.")
	case !oneOf(h.Get("X-Amz-Object-Annotation-Directive"), "EXCLUDE"):
		return s3err.NotImplemented.Msg("Annotations are not copied between two stores.")
	}
	d.replaces, d.copiesTags = metadata == "REPLACE", tagging != "REPLACE"
	if !d.replaces {
		for name := range d.targetHeader {
			if isMetadata(name) {
				delete(d.targetHeader, name)
			}
		}
	}
	if d.copiesTags {
		delete(d.targetHeader, taggingHeader)
	}
	name := h.Get("X-Amz-Checksum-Algorithm")
	if name == "" {
		return nil
	}
	var known bool
	if d.algorithm, known = payload.Named(name); !known {
		return s3err.InvalidRequest.Msg("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5]")
	}
	return nil
}

// oneOf accepts one of the values, or none.
func oneOf(value string, values ...string) bool {
	for _, v := range append(values, "") {
		if value == v {
			return true
		}
	}
	return false
}

// metadataFields are what S3 calls an object's system-defined metadata, as far as
// its owner sets it. A copy takes them along, and what begins with x-amz-meta-.
var metadataFields = []string{
	"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Expires",
}

func isMetadata(name string) bool {
	for _, field := range metadataFields {
		if name == field {
			return true
		}
	}
	return strings.HasPrefix(name, metadataPrefix)
}

// notes are fields for whoever follows a request through its systems. Both stores get them.
var notes = []string{"Traceparent", "Tracestate", "User-Agent", "X-Amzn-Trace-Id", "X-Amz-Request-Payer"}

func copyNotes(to, from http.Header) {
	for _, name := range notes {
		if values := from[name]; len(values) > 0 {
			to[name] = values
		}
	}
}

// headerForSource translates what the client says about the source.
func headerForSource(client http.Header) http.Header {
	h := http.Header{}
	copyNotes(h, client)
	for name, values := range client {
		if customer, ok := strings.CutPrefix(name, sourcePrefix+customerPrefix); ok {
			h["X-Amz-"+customerPrefix+customer] = values
		}
	}
	if owner := client["X-Amz-Source-Expected-Bucket-Owner"]; len(owner) > 0 {
		h["X-Amz-Expected-Bucket-Owner"] = owner
	}
	return h
}

// copyTaken copies the fields that both the copy and the plain upload have, the
// metadata, and IBM's own, which its stores alone are sent.
func copyTaken(to, client http.Header, asked, sent s3op.Operation) {
	copyNotes(to, client)
	for name, values := range client {
		own := strings.HasPrefix(name, "Ibm-") || strings.HasPrefix(name, "Retention-")
		meta := strings.HasPrefix(name, metadataPrefix) && sent == s3op.PutObject
		if asked.Takes(name) && sent.Takes(name) || own || meta {
			to[name] = values
		}
	}
	if coding := payload.StripAWSChunked(to["Content-Encoding"]); len(coding) == 0 {
		delete(to, "Content-Encoding")
	} else {
		to["Content-Encoding"] = coding
	}
}

// readRange reads x-amz-copy-source-range: bytes=first-last, with both.
func (d *directives) readRange(value string) error {
	if value == "" {
		return nil
	}
	bounds, ok := strings.CutPrefix(value, "bytes=")
	from, to, both := strings.Cut(bounds, "-")
	first, err := strconv.ParseUint(from, 10, 62)
	last, errLast := strconv.ParseUint(to, 10, 62)
	if !ok || !both || err != nil || errLast != nil || last < first {
		return s3err.InvalidArgument.Msg("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	d.ranged, d.first, d.last = true, int64(first), int64(last)
	if d.last-d.first >= largest {
		return errTooLarge
	}
	return nil
}

var errSelf = s3err.InvalidRequest.Msg("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")

// isSelf reports whether both objects are the same one. Two entries may lead to it.
func isSelf(r *Request) bool {
	a, b := r.Source, r.Target
	return r.VersionID == "" && a.Bucket.Host == b.Bucket.Host && a.Bucket.Port == b.Bucket.Port &&
		a.Bucket.Remote == b.Bucket.Remote && stored(a) == stored(b)
}

func stored(p names.Place) string { return p.Bucket.Prefix + p.Key }

// changes reports whether the client orders anything that makes sense for an object
// that is copied onto itself.
func changes(h http.Header) bool {
	for name := range h {
		if name == "X-Amz-Storage-Class" || name == redirectHeader || strings.HasPrefix(name, "X-Amz-Server-Side-Encryption") {
			return true
		}
	}
	return false
}
