package pipeline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/http"

	"osp/go/names"
	"osp/go/payload"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/upstream"
)

var errNoParts = errors.New("the store does not tell which parts an upload has, which a limit needs")

// maxPartsList bounds what is read of one page of parts: a thousand of them.
const maxPartsList = 4 << 20

// partsList is a page of the response to ListParts
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html).
type partsList struct {
	IsTruncated          bool
	NextPartNumberMarker string
	Part                 []struct {
		PartNumber int
		ETag       string
		Size       int64
	}
}

// sumsParts reports whether an upload in parts is to be added up before it is one object.
func (x *exchange) sumsParts() bool {
	return x.req.Operation == s3op.CompleteMultipartUpload && x.limits.Sized()
}

// attachParts reads which parts are to be put together. That is here before the store
// is asked how large they are, so none can be added in between.
func (x *exchange) attachParts(reader *payload.Reader, call *upstream.Call) error {
	if reader.Len() > maxDocument {
		return s3err.MaxMessageLengthExceeded
	}
	document, err := io.ReadAll(reader)
	if err != nil {
		return err
	}
	if x.parts, err = names.ParseParts(bytes.NewReader(document)); err != nil {
		return err
	}
	payload.Unframe(call.Header)
	if !takesChecksums(x.bucket, call.Creds) {
		dropChecksums(call.Header)
	}
	sum := sha256.Sum256(document)
	call.Body, call.Length, call.PayloadHash = bytes.NewReader(document), int64(len(document)), hex.EncodeToString(sum[:])
	return nil
}

// checkSum holds an upload in parts to the largest object that its client may store.
// How large its parts are only the store knows, so that is asked before it puts them
// together. A part is known by its ETag, which the store compares again: one that is
// replaced meanwhile is not put together.
func (p *Pipeline) checkSum(x *exchange, call *upstream.Call) error {
	if !x.sumsParts() {
		return nil
	}
	sizes := make(map[names.Part]int64)
	for marker := ""; ; {
		page, err := p.listParts(x, call, marker)
		if page == nil || err != nil {
			return err
		}
		for _, part := range page.Part {
			sizes[names.NewPart(part.PartNumber, part.ETag)] = max(0, part.Size)
		}
		if !page.IsTruncated || page.NextPartNumberMarker == marker {
			break
		}
		marker = page.NextPartNumberMarker
	}
	var sum int64
	for _, part := range x.parts {
		size, listed := sizes[part]
		if !listed {
			return s3err.InvalidPart
		}
		sum += size
		if err := x.limits.CheckSize(sum); err != nil {
			return x.limited(err)
		}
	}
	return nil
}

// listParts asks for a page of an upload's parts; nil: the store does not know the
// upload, so it puts nothing together.
func (p *Pipeline) listParts(x *exchange, complete *upstream.Call, marker string) (*partsList, error) {
	call := &upstream.Call{
		Bucket: complete.Bucket, Creds: complete.Creds, Method: http.MethodGet, Key: complete.Key, Header: make(http.Header), PayloadHash: upstream.EmptyPayload,
	}
	for _, param := range complete.Query {
		if param.Name == "uploadId" {
			call.Query = append(call.Query, param)
		}
	}
	if marker != "" {
		call.Query = append(call.Query, s3op.Param{Name: "part-number-marker", Value: marker})
	}
	resp, err := p.send(x.r.Context(), x, call)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, nil
	default:
		return nil, s3err.BadGateway.Because(errNoParts)
	}
	page := &partsList{}
	if err := xml.NewDecoder(io.LimitReader(resp.Body, maxPartsList)).Decode(page); err != nil {
		return nil, s3err.BadGateway.Because(err)
	}
	return page, nil
}
