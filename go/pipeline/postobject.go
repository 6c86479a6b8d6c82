package pipeline

import (
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"osp/go/h1"
	"osp/go/payload"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/sigv4"
	"osp/go/strictxml"
	"osp/go/upstream"
	"osp/go/wire"
)

// PostObject is S3's upload by a browser's form. Its signature is that of a
// policy, and travels in the body beside the file:
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
// A store gets it as a PutObject, which it checks like any other.

// parseForm reads the form's signature. The body has to be begun for that, but
// no more of it than maxFormFields is taken from whoever has not shown one.
func (x *exchange) parseForm() (*sigv4.SignedRequest, error) {
	f, err := readForm(x.r, newClientBody(x))
	if err != nil {
		return nil, err
	}
	x.form, x.req.Key = f, f.field("key")
	x.req.Path = s3op.Path(x.req.Bucket, x.req.Key)
	if err := s3op.CheckKey(x.req.Key); err != nil {
		return nil, err
	}
	return sigv4.ParsePostPolicy(x.req.Bucket, f.fields)
}

// prepareForm makes a PutObject out of the form.
func (x *exchange) prepareForm(call *upstream.Call) error {
	least, most, limited := x.verified.ContentLengthRange()
	switch {
	case limited && x.form.length < least:
		return s3err.EntityTooSmall
	case limited && x.form.length > most:
		return s3err.EntityTooLarge
	}
	call.Method, call.Query, call.Header = http.MethodPut, nil, maps.Clone(x.form.header) // the shadow may still look at it
	spec, err := payload.Parse(payload.Declaration{Header: call.Header, ContentLength: x.form.length, Kind: payload.Unsigned})
	if err != nil {
		return err
	}
	reader := payload.NewReader(x.form.file, spec, nil)
	if err := reader.VerifyEmpty(); err != nil {
		return err
	}
	x.attachVerified(reader, spec, call)
	return nil
}

// formFields are the fields that become a header of the same name. The policy
// covers all fields, so nothing here is unsigned; what is not listed could only
// mean something to a store that it does not mean in a form. A hyphen at the end
// stands for all fields of S3's that begin so.
var formFields = []string{
	"x-amz-acl", "cache-control", "content-disposition", "content-encoding", "content-language", "content-md5", "content-type", "expires",
	"x-amz-checksum-", "x-amz-grant-", "x-amz-meta-", "x-amz-object-lock-", "x-amz-sdk-checksum-algorithm",
	"x-amz-server-side-encryption", "x-amz-server-side-encryption-", "x-amz-storage-class", "x-amz-website-redirect-location",
}

func formHeader(fields []sigv4.Field) (http.Header, error) {
	header := make(http.Header)
	for _, f := range fields {
		name := f.Name
		if name == "acl" { // which is another name of it in forms
			name = "x-amz-acl"
		}
		switch {
		case name == "tagging":
			tags, err := tagHeader(f.Value)
			if err != nil {
				return nil, err
			}
			header.Set("X-Amz-Tagging", tags)
		case s3op.Foreign(name):
			return nil, s3err.NotImplemented.Msg("The form's field " + name + " is not supported.")
		case isFormHeader(name):
			value := wire.CanonicalBlanks(f.Value)
			if !h1.IsToken(name) || !h1.IsValue(value) {
				return nil, s3err.InvalidArgument.Msg("A field of the form has characters that no header may have.")
			}
			header.Set(name, value)
		case isFormControl(name):
		default:
			return nil, s3err.NotImplemented.Msg("The form has a field that is not supported here.")
		}
	}
	return header, nil
}

func isFormHeader(name string) bool {
	for _, known := range formFields {
		if name == known || strings.HasSuffix(known, "-") && strings.HasPrefix(name, known) && (known == "x-amz-meta-" || s3op.Known(name)) {
			return true
		}
	}
	return false
}

// isFormControl names the fields that are about the form and not its object.
func isFormControl(name string) bool {
	switch name {
	case "key", "bucket", "policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature",
		"x-amz-security-token", "success_action_redirect", "redirect", "success_action_status", "submit":
		return true
	}
	return strings.HasPrefix(name, "x-ignore-")
}

// tagHeader turns the XML of a form's tagging field into what x-amz-tagging says.
// The store judges how many tags there are, and which.
func tagHeader(document string) (string, error) {
	doc := strictxml.New(strings.NewReader(document))
	tags := make(url.Values)
	err := doc.Document("Tagging", only("TagSet", func() error {
		return doc.Elements(only("Tag", func() error {
			var key, value string
			err := doc.Elements(func(name string) (err error) {
				switch name {
				case "Key":
					key, err = doc.Text()
				case "Value":
					value, err = doc.Text()
				default:
					err = strictxml.Unknown()
				}
				return err
			})
			tags.Add(key, value)
			return err
		}))
	}))
	if err != nil {
		return "", err
	}
	return tags.Encode(), nil
}

// only reads elements of one name.
func only(name string, read func() error) func(string) error {
	return func(found string) error {
		if found != name {
			return strictxml.Unknown()
		}
		return read()
	}
}

// postResponse is the response to success_action_status 201.
type postResponse struct {
	XMLName                     xml.Name `xml:"PostResponse"`
	Location, Bucket, Key, ETag string
}

// respondToForm says that the object is stored, in the way that the form asked for.
func (x *exchange) respondToForm(stored *http.Response) error {
	defer stored.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(stored.Body, wire.LongestError)); err != nil {
		return s3err.BadGateway.Because(err)
	}
	header := x.w.Header()
	for _, name := range []string{"Etag", "X-Amz-Version-Id", "X-Amz-Server-Side-Encryption", "X-Amz-Expiration"} {
		if values := stored.Header[name]; values != nil {
			header[upstream.Spell(name)] = values
		}
	}
	header.Set("X-Amz-Request-Id", x.requestID)
	etag := stored.Header.Get("Etag")
	if target := redirectTarget(x.form); target != nil {
		q := target.Query()
		q.Set("bucket", x.req.Bucket)
		q.Set("key", x.req.Key)
		q.Set("etag", etag)
		target.RawQuery = q.Encode()
		header.Set("Location", target.String())
		x.w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	location := x.location()
	header.Set("Location", location)
	switch status, _ := strconv.Atoi(x.form.field("success_action_status")); status {
	case http.StatusCreated:
		return x.respondXML(http.StatusCreated, postResponse{Location: location, Bucket: x.req.Bucket, Key: x.req.Key, ETag: etag})
	case http.StatusOK:
		x.w.WriteHeader(http.StatusOK)
	default:
		x.w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

// redirectTarget is where the form wants its browser to go next. The policy
// names it, so whoever signed the form chose it. What is no http URL is
// ignored, as S3 does.
func redirectTarget(f *form) *url.URL {
	raw := f.field("success_action_redirect")
	if raw == "" {
		raw = f.field("redirect")
	}
	target, err := url.Parse(raw)
	if raw == "" || err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil
	}
	return target
}
