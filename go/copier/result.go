package copier

import (
	"encoding/xml"
	"net/http"
	"strings"

	"osp/go/payload"
	"osp/go/s3op"
)

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// document is CopyObjectResult or CopyPartResult.
type document struct {
	XMLName      xml.Name
	LastModified string
	ETag         string
	ChecksumType string `xml:",omitempty"`
	Checksum     *element
}

type element struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

// answered are the fields of a store's response to an upload that the response to a
// copy has, too, apart from those about encryption. The context of that is by
// default the object's ARN, which is a name.
var answered = []string{"X-Amz-Version-Id", "X-Amz-Expiration", "X-Amz-Request-Charged"}

// result is what the client gets. sum is that of the bytes that were sent.
func (c *Copy) result(h http.Header, sum payload.Checksum) (*Result, error) {
	r := &Result{Header: http.Header{}}
	for _, name := range answered {
		if value := h.Get(name); value != "" {
			r.Header.Set(name, value)
		}
	}
	for name, values := range h {
		if strings.HasPrefix(name, "X-Amz-Server-Side-Encryption") && name != "X-Amz-Server-Side-Encryption-Context" {
			r.Header[name] = values
		}
	}
	if c.source.version != "" {
		r.Header.Set("X-Amz-Copy-Source-Version-Id", c.source.version)
	}
	doc := document{
		XMLName: xml.Name{Space: namespace, Local: "CopyObjectResult"}, ETag: h.Get("Etag"),
		LastModified: storeTime(h).UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	if c.Operation == s3op.UploadPartCopy {
		doc.XMLName.Local = "CopyPartResult"
	}
	if !c.target.compares && sum.Algorithm != payload.None {
		doc.Checksum = &element{xml.Name{Local: "Checksum" + sum.Algorithm.String()}, sum.Value}
		if c.Operation == s3op.CopyObject {
			doc.ChecksumType = "FULL_OBJECT"
		}
	}
	var err error
	r.Document, err = xml.Marshal(doc)
	return r, err
}
