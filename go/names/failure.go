package names

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"

	"osp/go/s3err"
	"osp/go/stores"
	"osp/go/wire"
)

// Place is an object, or with an empty key a bucket, under a client's names.
type Place struct {
	Bucket *stores.Bucket
	Key    string
}

// Path is what an error has as its Resource.
func (p Place) Path() string {
	if p.Key == "" {
		return "/" + p.Bucket.Name
	}
	return "/" + p.Bucket.Name + "/" + p.Key
}

// stored is the store's key for it.
func (p Place) stored() string { return p.Bucket.Prefix + p.Key }

// harmless are the elements of errors that pass as a store says them: S3 puts
// no names in them
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
// ArgumentValue, Endpoint, and whatever a store adds may name anything.
var harmless = map[string]bool{
	"RequestId": true, "HostId": true, "Region": true,
	"ArgumentName": true, "Header": true, "Condition": true, "Method": true, "ResourceType": true,
	"RangeRequested": true, "ActualObjectSize": true, "StorageClass": true,
	"PartNumber": true, "ETag": true, "VersionId": true,
	"ProposedSize": true, "MinSizeAllowed": true, "MaxSizeAllowed": true, "MaxMessageLengthBytes": true,
	"ExpectedDigest": true, "CalculatedDigest": true, "ClientComputedContentSHA256": true, "S3ComputedContentSHA256": true,
}

// detail is one element of an error. Elements within it, which no error of S3
// has, are left out.
type detail struct{ name, text string }

// failure is an Error element as a store wrote it.
type failure []detail

var errNoFailure = errors.New("not an error in S3's form")

// readFailure reads from after the start tag of an Error to its end.
func readFailure(dec *xml.Decoder) (failure, error) {
	var f failure
	open, begun := []string{"Error"}, dec.InputOffset()
	for len(open) > 0 {
		token, err := dec.RawToken()
		if err != nil {
			return nil, err
		}
		if dec.InputOffset()-begun > wire.LongestError {
			return nil, errLongToken
		}
		switch t := token.(type) {
		case xml.StartElement:
			if open = append(open, t.Name.Local); len(open) == 2 {
				f = append(f, detail{name: t.Name.Local})
			}
		case xml.CharData:
			if len(open) == 2 {
				f[len(f)-1].text += string(t)
			}
		case xml.EndElement:
			if t.Name.Local != open[len(open)-1] {
				return nil, errTags
			}
			open = open[:len(open)-1]
		}
	}
	if !IsCode(f.get("Code")) {
		return nil, errNoFailure
	}
	return f, nil
}

// IsCode reports whether a text looks like a code of S3's, or one that a store
// has made up.
func IsCode(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || '9' < r) && (r|0x20 < 'a' || 'z' < r|0x20) && r != '.'
	})
}

func (f failure) get(name string) string {
	for _, d := range f {
		if d.name == name {
			return d.text
		}
	}
	return ""
}

// render writes the error with the client's names and messages of our own: some
// stores name buckets, folders or paths in their messages.
func (f failure) render(out *bytes.Buffer, r Response) error {
	code, about := f.get("Code"), r.about(f)
	out.WriteString("<Error>")
	for _, d := range f {
		text := ""
		switch d.name {
		case "Code":
			text = code
		case "Message":
			text = s3err.Message(code)
		case "BucketName", "Bucket":
			text = about.Bucket.Name
		case "Key":
			text = r.failedKey(d.text)
		case "Resource":
			text = about.Path()
		case "UploadId":
			var err error
			if text, err = sealed(about.Bucket, uploadID, d.text); err != nil {
				return err
			}
		default:
			if harmless[d.name] {
				text = d.text
			}
		}
		element(out, d.name, text)
	}
	out.WriteString("</Error>")
	return nil
}

// about finds out to which of the objects in a copy an error refers.
func (r Response) about(f failure) Place {
	if r.Source == nil || r.Source.stored() == r.stored() && r.Source.Bucket.Remote == r.Bucket.Remote {
		return r.Place
	}
	source := *r.Source
	remote := "/" + source.Bucket.Remote
	switch key, bucket := f.get("Key"), f.get("BucketName"); {
	case key != "" && key != r.stored():
		if key == source.stored() {
			return source
		}
	case bucket != "" && bucket != r.Bucket.Remote:
		if bucket == source.Bucket.Remote {
			return source
		}
	case f.get("Resource") == remote+"/"+source.stored():
		return source
	}
	return r.Place
}

// failedKey returns the client's name for a key in an error. Only what the
// request addresses has one.
func (r Response) failedKey(text string) string {
	switch key, ok := inside(r.Bucket.Prefix, text, r.Encoded); {
	case r.Key == "" && ok:
		return key
	case r.Key == "":
	case text == r.stored():
		return r.Key
	case r.Source != nil && text == r.Source.stored():
		return r.Source.Key
	}
	return ""
}

// Failure returns a store's refusal as a client may see it. The error means
// that it is not in S3's form, or could not be read.
func (r Response) Failure(body []byte) ([]byte, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := dec.RawToken()
		if err != nil {
			return nil, err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Local != "Error" {
			return nil, errNoFailure
		}
		f, err := readFailure(dec)
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		out.WriteString(xml.Header)
		err = f.render(&out, r)
		return out.Bytes(), err
	}
}
