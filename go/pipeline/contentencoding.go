package pipeline

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"

	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/upstream"
	"osp/go/wire"
)

var identity = []string{"identity"}

// acceptEncoding has a store send in plain what is judged or rewritten here.
// An object comes as its reader wants it: Google transcodes by that.
func (x *exchange) acceptEncoding(call *upstream.Call) {
	if x.req.Operation != s3op.GetObject && x.req.Operation != "HeadObject" {
		call.Header["Accept-Encoding"] = identity
	}
}

// decodeRefusal takes the compression off a store's refusal. What can't be read
// would go unjudged, so it is replaced by what its status says: then it reports
// false.
func (x *exchange) decodeRefusal(resp *http.Response) (bool, error) {
	coding := resp.Header.Get("Content-Encoding")
	if resp.StatusCode < http.StatusMultipleChoices || resp.StatusCode == http.StatusNotModified ||
		x.r.Method == http.MethodHead || coding == "" || coding == "identity" {
		return true, nil
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, wire.LongestError))
	_ = resp.Body.Close() // what is left of it is of no use
	if err != nil {
		return false, s3err.BadGateway.Because(err)
	}
	body, legible := decoded(raw)
	if !legible {
		body = x.refusalOf(resp)
		resp.Header["Content-Type"] = []string{"application/xml"}
	}
	delete(resp.Header, "Content-Encoding")
	resp.Header["Content-Length"] = []string{strconv.Itoa(len(body))}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return legible, nil
}

// decoded goes by what is there. Some stores announce the encoding of an object
// and then send an error that has none.
func decoded(raw []byte) ([]byte, bool) {
	if start := bytes.TrimLeft(raw, " \t\r\n\ufeff"); len(start) == 0 || start[0] == '<' {
		return raw, true
	}
	unzip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, false
	}
	body, err := io.ReadAll(io.LimitReader(unzip, wire.LongestError+1))
	return body, err == nil && len(body) <= wire.LongestError
}
