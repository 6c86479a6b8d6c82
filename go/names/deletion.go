package names

import (
	"bytes"
	"encoding/xml"
	"io"

	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/stores"
	"osp/go/strictxml"
)

// maxDeletions is how many keys one DeleteObjects may name
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html).
const maxDeletions = 1000

// Deletion is one object that DeleteObjects names, with the conditions on it.
type Deletion struct {
	Key       string
	VersionID string

	ifMatch, ifModified, ifSize string
}

// Deletions is the body of DeleteObjects.
type Deletions struct {
	Objects []Deletion
	Quiet   string
}

// maxField bounds the fields that s3op does not check, in bytes.
const maxField = 1024

// ParseDeletions reads the body of DeleteObjects up to its end. It accepts what
// AWS documents and nothing else, because a store might act on anything that it
// ignored, and it reads no further than the first thing that does not belong in
// a list. The errors are MalformedXML, those of s3op.CheckKey and
// s3op.CheckVersionID, and those of reading body.
func ParseDeletions(body io.Reader) (*Deletions, error) {
	d := &Deletions{}
	doc := strictxml.New(body)
	quiet := false // there was one
	err := doc.Document("Delete", func(name string) (err error) {
		switch name {
		case "Quiet":
			if quiet {
				return s3err.MalformedXML
			}
			quiet = true
			if d.Quiet, err = doc.Text(); len(d.Quiet) > maxField {
				return s3err.MalformedXML
			}
			return err
		case "Object":
			if len(d.Objects) == maxDeletions {
				return s3err.MalformedXML
			}
			one, err := deletion(doc)
			d.Objects = append(d.Objects, one)
			return err
		}
		return strictxml.Unknown()
	})
	if err != nil {
		return nil, err
	}
	if len(d.Objects) == 0 {
		return nil, s3err.MalformedXML
	}
	return d, nil
}

func deletion(doc *strictxml.Reader) (Deletion, error) {
	var d Deletion
	var seen uint
	err := doc.Elements(func(name string) error {
		var into *string
		var bit uint
		switch name {
		case "Key":
			into, bit = &d.Key, 1
		case "VersionId":
			into, bit = &d.VersionID, 2
		case "ETag":
			into, bit = &d.ifMatch, 4
		case "LastModifiedTime":
			into, bit = &d.ifModified, 8
		case "Size":
			into, bit = &d.ifSize, 16
		default:
			return strictxml.Unknown()
		}
		if seen&bit != 0 {
			return s3err.MalformedXML
		}
		seen |= bit
		text, err := doc.Text()
		if err == nil && into != &d.Key && into != &d.VersionID && len(text) > maxField {
			return s3err.MalformedXML
		}
		*into = text
		return err
	})
	switch {
	case err != nil:
		return d, err
	case d.Key == "":
		return d, s3err.MalformedXML
	}
	if err := s3op.CheckKey(d.Key); err != nil {
		return d, err
	}
	return d, s3op.CheckVersionID(d.VersionID)
}

// Render writes the list for the store of an entry. The error is KeyTooLongError.
func (d *Deletions) Render(b *stores.Bucket) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(xml.Header + `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for _, o := range d.Objects {
		key, err := Key(b, o.Key)
		if err != nil {
			return nil, err
		}
		out.WriteString("<Object>")
		element(&out, "Key", key)
		element(&out, "VersionId", o.VersionID)
		element(&out, "ETag", o.ifMatch)
		element(&out, "LastModifiedTime", o.ifModified)
		element(&out, "Size", o.ifSize)
		out.WriteString("</Object>")
	}
	element(&out, "Quiet", d.Quiet)
	out.WriteString("</Delete>")
	return out.Bytes(), nil
}

// Refusals renders the Error elements of a response, for objects that must
// stay.
func Refusals(objects []Deletion, refusals []*s3err.Error) []byte {
	var out bytes.Buffer
	for i, o := range objects {
		out.WriteString("<Error>")
		element(&out, "Key", o.Key)
		element(&out, "VersionId", o.VersionID)
		element(&out, "Code", refusals[i].Code)
		element(&out, "Message", refusals[i].Message)
		out.WriteString("</Error>")
	}
	return out.Bytes()
}

// element writes an element, unless it would be empty.
func element(out *bytes.Buffer, name, value string) {
	if value == "" {
		return
	}
	out.WriteString("<" + name + ">")
	_ = xml.EscapeText(out, []byte(value)) // a bytes.Buffer never fails
	out.WriteString("</" + name + ">")
}
