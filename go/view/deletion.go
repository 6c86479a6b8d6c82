package view

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"

	"osp/go/config"
	"osp/go/s3err"
	"osp/go/s3req"
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

// field is a child of an element of the list.
type field struct {
	XMLName xml.Name
	Value   string     `xml:",chardata"`
	Attrs   []xml.Attr `xml:",any,attr"`
	Fields  []field    `xml:",any"`
}

// ParseDeletions reads the body of DeleteObjects. It takes what AWS documents
// and nothing else, since whatever it overlooked a store might act on. The
// errors are MalformedXML and those of s3req.CheckKey.
func ParseDeletions(body []byte) (*Deletions, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	var root field
	if err := dec.Decode(&root); err != nil {
		return nil, s3err.MalformedXML.Because(err)
	}
	if err := onlySpace(dec); err != nil {
		return nil, s3err.MalformedXML.Because(err)
	}
	if root.XMLName.Local != "Delete" {
		return nil, s3err.MalformedXML
	}
	d := &Deletions{}
	for _, child := range root.Fields {
		switch child.XMLName.Local {
		case "Quiet":
			if len(child.Fields) > 0 || d.Quiet != "" {
				return nil, s3err.MalformedXML
			}
			d.Quiet = child.Value
		case "Object":
			one, err := deletion(child)
			if err != nil {
				return nil, err
			}
			d.Objects = append(d.Objects, one)
		default:
			return nil, s3err.MalformedXML.Because(errors.New("an element that is not known"))
		}
	}
	if n := len(d.Objects); n == 0 || n > maxDeletions {
		return nil, s3err.MalformedXML
	}
	return d, nil
}

func deletion(object field) (Deletion, error) {
	var d Deletion
	into := map[string]*string{
		"Key": &d.Key, "VersionId": &d.VersionID, "ETag": &d.ifMatch, "LastModifiedTime": &d.ifModified, "Size": &d.ifSize,
	}
	for _, f := range object.Fields {
		to := into[f.XMLName.Local]
		if to == nil || *to != "" || len(f.Fields) > 0 {
			return d, s3err.MalformedXML
		}
		*to = f.Value
	}
	if d.Key == "" {
		return d, s3err.MalformedXML
	}
	return d, s3req.CheckKey(d.Key)
}

func onlySpace(dec *xml.Decoder) error {
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.CharData:
			if len(bytes.TrimSpace(t)) == 0 {
				continue
			}
		case xml.Comment:
			continue
		}
		return errors.New("something follows the list")
	}
}

// Render writes the list for the store of an entry. The error is KeyTooLongError.
func (d *Deletions) Render(b *config.Bucket) ([]byte, error) {
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

// Refusals renders the Error elements of an answer for objects that must stay.
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
