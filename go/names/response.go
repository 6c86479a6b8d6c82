package names

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"osp/go/s3op"
)

// kind says what an element of a response contains.
type kind int

const (
	bucketName  kind = iota + 1 // the bucket
	objectKey                   // a key, or the beginning of one
	objectURL                   // where the object is
	listToken                   // where in a listing a page ends
	uploadToken                 // an upload in parts
)

// named are the elements of S3's responses that contain names, by their path
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html).
var named = map[string]kind{
	"ListBucketResult/Name":                  bucketName,
	"ListBucketResult/Prefix":                objectKey,
	"ListBucketResult/Marker":                objectKey,
	"ListBucketResult/NextMarker":            objectKey,
	"ListBucketResult/StartAfter":            objectKey,
	"ListBucketResult/Contents/Key":          objectKey,
	"ListBucketResult/CommonPrefixes/Prefix": objectKey,
	"ListBucketResult/ContinuationToken":     listToken,
	"ListBucketResult/NextContinuationToken": listToken,

	"ListVersionsResult/Name":                  bucketName,
	"ListVersionsResult/Prefix":                objectKey,
	"ListVersionsResult/KeyMarker":             objectKey,
	"ListVersionsResult/NextKeyMarker":         objectKey,
	"ListVersionsResult/Version/Key":           objectKey,
	"ListVersionsResult/DeleteMarker/Key":      objectKey,
	"ListVersionsResult/CommonPrefixes/Prefix": objectKey,

	"ListMultipartUploadsResult/Bucket":                bucketName,
	"ListMultipartUploadsResult/Prefix":                objectKey,
	"ListMultipartUploadsResult/KeyMarker":             objectKey,
	"ListMultipartUploadsResult/NextKeyMarker":         objectKey,
	"ListMultipartUploadsResult/Upload/Key":            objectKey,
	"ListMultipartUploadsResult/CommonPrefixes/Prefix": objectKey,
	"ListMultipartUploadsResult/UploadIdMarker":        uploadToken,
	"ListMultipartUploadsResult/NextUploadIdMarker":    uploadToken,
	"ListMultipartUploadsResult/Upload/UploadId":       uploadToken,

	"InitiateMultipartUploadResult/Bucket":   bucketName,
	"InitiateMultipartUploadResult/Key":      objectKey,
	"InitiateMultipartUploadResult/UploadId": uploadToken,
	"ListPartsResult/Bucket":                 bucketName,
	"ListPartsResult/Key":                    objectKey,
	"ListPartsResult/UploadId":               uploadToken,
	"CompleteMultipartUploadResult/Bucket":   bucketName,
	"CompleteMultipartUploadResult/Key":      objectKey,
	"CompleteMultipartUploadResult/Location": objectURL,

	"DeleteResult/Deleted/Key": objectKey,

	// AWS's model does not say how these two begin.
	"ListObjectAnnotationsResult/Bucket":                bucketName,
	"ListObjectAnnotationsResult/Key":                   objectKey,
	"ListObjectAnnotationsResult/ContinuationToken":     listToken,
	"ListObjectAnnotationsResult/NextContinuationToken": listToken,
	"ListObjectAnnotationsOutput/Bucket":                bucketName,
	"ListObjectAnnotationsOutput/Key":                   objectKey,
	"ListObjectAnnotationsOutput/ContinuationToken":     listToken,
	"ListObjectAnnotationsOutput/NextContinuationToken": listToken,
	"PutObjectAnnotationResult/Key":                     objectKey,
	"PutObjectAnnotationOutput/Key":                     objectKey,
}

// roots are the root elements of the documents whose names are known.
var roots = rootsOf(named)

func rootsOf(paths map[string]kind) map[string]bool {
	// These contain no names.
	all := map[string]bool{"CopyObjectResult": true, "CopyPartResult": true, "LocationConstraint": true, "VersioningConfiguration": true}
	for path := range paths {
		root, _, _ := strings.Cut(path, "/")
		all[root] = true
	}
	return all
}

// fails reports whether an element is an error, by its path. S3 has them in
// responses with status 200 too.
func fails(path []string) bool {
	return len(path) == 1 && path[0] == "Error" || len(path) == 2 && path[0] == "DeleteResult" && path[1] == "Error"
}

// Names reports whether the response to an operation names buckets or keys if
// it succeeds. Every error may.
func Names(op s3op.Operation) bool {
	switch op {
	case s3op.DeleteObjects, "CreateMultipartUpload", "ListParts", "ListObjectAnnotations", "PutObjectAnnotation":
		return true
	case "GetBucketLocation", "GetBucketVersioning": // a store that lacks them lists the bucket instead
		return true
	case s3op.CompleteMultipartUpload, s3op.CopyObject, s3op.UploadPartCopy: // they may fail after a 200
		return true
	}
	_, lists := listings[op]
	return lists
}

// ListsInstead reports whether a store may list a bucket in place of an
// operation that it lacks or does not know. Its response then contains names only
// if it begins as Begins says.
func ListsInstead(r *s3op.Request) bool {
	return r.Key == "" && (r.Fallback == s3op.ListObjects || r.Operation == s3op.Unknown)
}

// Begins reports, by its beginning, whether a document may contain names: it is
// one that is known to contain them, or its root is not within those bytes.
func Begins(head []byte) bool {
	dec := xml.NewDecoder(bytes.NewReader(head))
	for {
		token, err := dec.RawToken()
		if root, ok := token.(xml.StartElement); ok {
			return roots[root.Name.Local]
		}
		if err != nil {
			return !errors.Is(err, io.EOF) && len(bytes.TrimSpace(head)) > 0 && bytes.TrimSpace(head)[0] == '<'
		}
	}
}

// Response is a store's response, whose XML it rewrites for a client.
type Response struct {
	Place           // what the client's request addresses
	Source   *Place // what a copy or a rename reads, otherwise nil
	Location string // the URL of Place
	Encoded  bool   // keys may be percent-encoded: the client asked for encoding-type=url
	Refused  []byte // Error elements to add to a DeleteResult
}

// Hides reports whether a store's response may have names that are not the
// client's.
func (r Response) Hides() bool {
	return r.Bucket.Renamed() || r.Source != nil && r.Source.Bucket.Renamed()
}

var (
	// errOutside is about a store that lists what it was not asked for. That
	// must not reach the client.
	errOutside = errors.New("the store's response names a key outside the folder")

	// errStrange is about a document in which names can't be told from the
	// rest.
	errStrange = errors.New("the store's response is not one that the operation has")

	errTags = errors.New("tags that do not match")
)

// Rewrite copies an XML document from a store to a client. What is not a name
// passes byte by byte, as it arrives: some stores send spaces for minutes to
// keep a connection alive while they work. After an error the document is
// incomplete; what was written so far must not look complete.
func (r Response) Rewrite(to *bufio.Writer, from io.Reader, flush func() error) error {
	source := &source{in: bufio.NewReader(from), out: to, flush: flush}
	if err := source.prologue(r.Hides()); err != nil {
		if errors.Is(err, io.EOF) {
			return to.Flush()
		}
		return err
	}
	w := &rewriter{Response: r, in: source, out: to, dec: xml.NewDecoder(source)}
	if err := w.run(); err != nil {
		return fmt.Errorf("rewriting the store's response: %w", err)
	}
	return to.Flush()
}

// rewriter goes through the tokens of a document.
type rewriter struct {
	Response
	in  *source
	out *bufio.Writer
	dec *xml.Decoder

	path    []string // local names of the open elements
	holds   kind     // of the innermost open element
	text    []byte   // of an element that contains a name, so far
	raw     []byte   // the same as it arrived
	endRoot string   // what closes a root element that was empty
}

func (w *rewriter) run() error {
	for {
		token, err := w.dec.RawToken()
		if errors.Is(err, io.EOF) {
			if len(w.path) > 0 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.token(token, w.in.take(w.dec.InputOffset())); err != nil {
			return err
		}
	}
}

func (w *rewriter) token(token xml.Token, raw []byte) error {
	switch t := token.(type) {
	case xml.StartElement:
		return w.start(t, raw)
	case xml.EndElement:
		return w.end(t, raw)
	case xml.CharData:
		if w.holds != 0 {
			w.text, w.raw = append(w.text, t...), append(w.raw, raw...)
			return nil
		}
	}
	switch token.(type) {
	case xml.Comment, xml.Directive, xml.ProcInst: // they are not needed, and could say anything
		if w.Hides() {
			return nil
		}
	}
	_, err := w.out.Write(raw)
	return err
}

func (w *rewriter) start(t xml.StartElement, raw []byte) error {
	if w.holds != 0 {
		return errors.New("an element inside a name")
	}
	w.path = append(w.path, t.Name.Local)
	if w.Hides() && fails(w.path) {
		return w.failure()
	}
	if w.Hides() && !roots[w.path[0]] {
		return errStrange
	}
	w.holds, w.text = named[strings.Join(w.path, "/")], w.text[:0]
	w.raw = w.raw[:0]
	if w.Hides() && len(t.Attr) > 0 {
		raw = withoutAttributes(t, raw)
	}
	if len(w.path) == 1 && len(w.Refused) > 0 && strings.HasSuffix(string(raw), "/>") {
		raw = append(raw[:len(raw)-2:len(raw)-2], '>')
		w.endRoot = "</" + qualified(t.Name) + ">"
	}
	_, err := w.out.Write(raw)
	return err
}

// withoutAttributes leaves a tag only the names of its namespaces and types; S3
// has no other attributes, and they could say anything.
func withoutAttributes(t xml.StartElement, raw []byte) []byte {
	var tag bytes.Buffer
	tag.WriteString("<" + qualified(t.Name))
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" || a.Name.Space == "xsi" && a.Name.Local == "type" {
			tag.WriteString(" " + qualified(a.Name) + `="`)
			_ = xml.EscapeText(&tag, []byte(a.Value)) // a bytes.Buffer never fails
			tag.WriteByte('"')
		}
	}
	if bytes.HasSuffix(raw, []byte("/>")) {
		tag.WriteByte('/')
	}
	tag.WriteByte('>')
	return tag.Bytes()
}

// failure passes on an Error whose start tag has been read. It is held back
// until its end, because only then is it clear what it is about.
func (w *rewriter) failure() error {
	f, err := readFailure(w.dec)
	if err != nil {
		return err
	}
	w.in.take(w.dec.InputOffset())
	w.path = w.path[:len(w.path)-1]
	var out bytes.Buffer
	if err := f.render(&out, w.Response); err != nil {
		return err
	}
	_, err = w.out.Write(out.Bytes())
	return err
}

func (w *rewriter) end(t xml.EndElement, raw []byte) error {
	depth := len(w.path)
	if depth == 0 || w.path[depth-1] != t.Name.Local {
		return errTags
	}
	if w.holds != 0 && len(w.text) > 0 {
		if err := w.name(); err != nil {
			return err
		}
	}
	if depth == 1 && t.Name.Local == "DeleteResult" {
		if _, err := w.out.Write(w.Refused); err != nil {
			return err
		}
		raw = append(raw, w.endRoot...)
	}
	w.path, w.holds = w.path[:depth-1], 0
	_, err := w.out.Write(raw)
	return err
}

// name writes the client's name for what the element says; a name that is the
// same passes as it arrived.
func (w *rewriter) name() error {
	name, err := w.rename(string(w.text))
	switch {
	case err != nil:
		return err
	case name == string(w.text):
		_, err = w.out.Write(w.raw)
	default:
		err = xml.EscapeText(w.out, []byte(name))
	}
	return err
}

// rename returns the client's name for what the element says.
func (w *rewriter) rename(text string) (string, error) {
	switch w.holds {
	case bucketName:
		return w.Bucket.Name, nil
	case objectURL:
		return w.Location, nil
	case listToken:
		return sealed(w.Bucket, continuationToken, text)
	case uploadToken:
		return sealed(w.Bucket, uploadID, text)
	}
	if key, ok := inside(w.Bucket.Prefix, text, w.Encoded); ok {
		return key, nil
	}
	return "", errOutside
}

func qualified(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}
