package pipeline

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"

	"osp/go/s3err"
	"osp/go/sigv4"
)

// What is read of a form before its signature is known.
const (
	// maxFormFields is in bytes before the file. S3 takes 20 KB; policies and
	// session tokens of others are longer.
	maxFormFields = 64 << 10
	// maxFormLines has room for a policy whose Base64 is broken into lines. A
	// byte costs most where lines are short.
	maxFormLines = 1000
	// maxBoundary is that of RFC 2046 section 5.1.1.
	maxBoundary = 70
	// maxForms are read at a time, each in some 200 KiB, and formsEach of one address.
	// A place is taken from a form's first byte until its signature is known.
	maxForms  = 128
	formsEach = 32
)

// form is a POST policy form (multipart/form-data, RFC 7578) that was read up
// to its file.
type form struct {
	fields []sigv4.Field // names in lower case, "${filename}" in key replaced
	header http.Header   // that the fields order for the object
	file   io.Reader
	length int64 // bytes that the file must have, or the arithmetic of the form is wrong
}

func (f *form) field(name string) string {
	for _, field := range f.fields {
		if field.Name == name {
			return field.Value
		}
	}
	return ""
}

// readForm reads the fields of a form and leaves its file to be streamed. The
// store wants to know the file's length beforehand, so the file has to be the
// last field, followed by the closing boundary as browsers and SDKs write it.
func readForm(r *http.Request, body io.Reader) (*form, error) {
	if r.ContentLength < 0 {
		return nil, s3err.MissingContentLength
	}
	_, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	boundary := parameters["boundary"]
	if err != nil || boundary == "" || len(boundary) > maxBoundary {
		return nil, s3err.MalformedPOSTRequest.Because(err)
	}
	source := &fieldReader{from: bufio.NewReaderSize(body, copyBufferSize)}
	parts := multipart.NewReader(source, boundary)
	f := &form{}
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil, s3err.InvalidArgument.Msg("POST requires exactly one file upload per request.")
		}
		if err != nil {
			return nil, formError(err)
		}
		if part.FormName() == "file" {
			f.openFile(part, r.ContentLength-source.taken-int64(len("\r\n----\r\n")+len(boundary)))
			source.inFile = true
			return f, f.checkLength()
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, formError(err)
		}
		f.fields = append(f.fields, sigv4.Field{Name: strings.ToLower(part.FormName()), Value: string(value)})
	}
}

// openFile leaves the rest of the form to be read as its file, whose name is known
// now.
func (f *form) openFile(part *multipart.Part, length int64) {
	f.file, f.length = part, length
	name := part.FileName() // without folders, as package multipart promises
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		name = name[i+1:] // nor those of Windows
	}
	for i, field := range f.fields {
		if field.Name == "key" {
			f.fields[i].Value = strings.ReplaceAll(field.Value, "${filename}", path.Base("/"+name))
		}
	}
}

func (f *form) checkLength() error {
	if f.length < 0 {
		return s3err.MalformedPOSTRequest.Msg("The file must be the form's last field, and the closing boundary must end with CRLF.")
	}
	return nil
}

func formError(err error) error {
	if e := (*s3err.Error)(nil); errors.As(err, &e) {
		return err
	}
	return s3err.MalformedPOSTRequest.Because(err)
}

// fieldReader hands out no more than one line at a time while the fields are
// read. The file begins with a line, so no reader above holds bytes of it when
// that is reached, and their count tells where it does.
type fieldReader struct {
	from   *bufio.Reader
	taken  int64
	lines  int
	inFile bool // the fields have been read
}

// Read implements io.Reader.
func (r *fieldReader) Read(p []byte) (int, error) {
	if r.inFile || len(p) == 0 {
		return r.from.Read(p)
	}
	if r.taken == maxFormFields || r.lines == maxFormLines {
		return 0, s3err.MaxMessageLengthExceeded
	}
	if _, err := r.from.Peek(1); err != nil {
		return 0, err
	}
	ready, _ := r.from.Peek(min(r.from.Buffered(), len(p), maxFormFields-int(r.taken))) // what is there can't fail
	if i := bytes.IndexByte(ready, '\n'); i >= 0 {
		ready = ready[:i+1]
		r.lines++
	}
	n := copy(p, ready)
	_, _ = r.from.Discard(n)
	r.taken += int64(n)
	return n, nil
}
