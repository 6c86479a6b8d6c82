package pipeline

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"

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
	Part                 []struct{ Size int64 }
}

// checkSum holds an upload in parts to the largest object that its client may store.
// What its parts are only the store knows, so that is asked before it puts them together.
func (p *Pipeline) checkSum(x *exchange, call *upstream.Call) error {
	if x.req.Operation != s3op.CompleteMultipartUpload || !x.limits.Sized() {
		return nil
	}
	var sum int64
	for marker := ""; ; {
		page, err := p.listParts(x, call, marker)
		if page == nil || err != nil {
			return err
		}
		for _, part := range page.Part {
			sum += max(0, part.Size)
		}
		if err := x.limits.CheckSize(sum); err != nil {
			return x.limited(err)
		}
		if !page.IsTruncated || page.NextPartNumberMarker == marker {
			return nil
		}
		marker = page.NextPartNumberMarker
	}
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
