package copier

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strings"

	"osp/go/payload"
	"osp/go/s3op"
)

// answered are the fields of a store's response to an upload that the response to a
// copy has, too, apart from those about encryption. The context of that is by
// default the object's ARN, which is a name.
var answered = []string{"X-Amz-Version-Id", "X-Amz-Expiration", "X-Amz-Request-Charged"}

// result is what the client gets. sum is that of the bytes that were sent.
func (c *Copy) result(h http.Header, sum payload.Checksum) *Result {
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
	r.Document = c.document(h, sum)
	return r
}

// document is CopyObjectResult or CopyPartResult.
func (c *Copy) document(h http.Header, sum payload.Checksum) []byte {
	var b bytes.Buffer
	root := "CopyObjectResult"
	if c.Operation == s3op.UploadPartCopy {
		root = "CopyPartResult"
	}
	b.WriteString("<" + root + ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	element(&b, "LastModified", storeTime(h).UTC().Format("2006-01-02T15:04:05.000Z"))
	element(&b, "ETag", h.Get("Etag"))
	if !c.target.compares && sum.Algorithm != payload.None {
		if c.Operation == s3op.CopyObject {
			element(&b, "ChecksumType", "FULL_OBJECT")
		}
		element(&b, "Checksum"+sum.Algorithm.String(), sum.Value)
	}
	b.WriteString("</" + root + ">")
	return b.Bytes()
}

func element(b *bytes.Buffer, name, text string) {
	b.WriteString("<" + name + ">")
	_ = xml.EscapeText(b, []byte(text)) // a bytes.Buffer never fails
	b.WriteString("</" + name + ">")
}
