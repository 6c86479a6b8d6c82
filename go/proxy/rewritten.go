package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strconv"

	"osp/go/s3err"
	"osp/go/s3req"
	"osp/go/upstream"
	"osp/go/view"
)

// answerRewritten is answer where the store's names are not the client's, or
// where the answer needs an addition.
func answerRewritten(x *exchange, resp *http.Response) error {
	delete(x.w.Header(), upstream.Spell("Location")) // of a bucket, or to the store itself
	to := view.Answer{Bucket: x.bucket, Path: x.resource(), Location: x.location(), Refused: x.refused}
	if how, _ := x.req.Query.Get("encoding-type"); how == "url" {
		to.Encoded = true
	}
	failed := resp.StatusCode >= http.StatusMultipleChoices
	switch {
	case failed && x.bucket.Renamed():
		return answerRewrittenError(x, resp, to)
	case failed || !view.Names(x.req.Operation):
		x.w.WriteHeader(resp.StatusCode)
		return x.stream(resp.Body)
	}
	if resp.Header["Content-Encoding"] != nil {
		return s3err.BadGateway
	}
	if resp.ContentLength >= 0 && resp.ContentLength <= maxWholeAnswer {
		return answerWhole(x, resp, to)
	}
	delete(x.w.Header(), upstream.Spell("Content-Length")) // it may be another one now
	x.w.WriteHeader(resp.StatusCode)
	return to.Rewrite(bufio.NewWriterSize(x.w, copyBufferSize), resp.Body, x.w.conn.Flush)
}

// maxWholeAnswer is the size up to which an answer is rewritten before it goes
// out, so that it has a length. A store that tells it has the whole answer, so
// nothing comes later for that.
const maxWholeAnswer = 4 << 20

func answerWhole(x *exchange, resp *http.Response, to view.Answer) error {
	var body bytes.Buffer
	if err := to.Rewrite(bufio.NewWriter(&body), resp.Body, func() error { return nil }); err != nil {
		return err
	}
	return writeWhole(x, resp.StatusCode, body.Bytes())
}

func writeWhole(x *exchange, status int, body []byte) error {
	if status != http.StatusNotModified {
		x.w.Header()[upstream.Spell("Content-Length")] = []string{strconv.Itoa(len(body))}
	}
	x.w.WriteHeader(status)
	_, err := x.w.Write(body)
	return err
}

// answerRewrittenError drops what it can't rewrite: the status says enough.
func answerRewrittenError(x *exchange, resp *http.Response, to view.Answer) error {
	var body bytes.Buffer
	err := to.Rewrite(bufio.NewWriter(&body), io.LimitReader(resp.Body, maxErrorBody), func() error { return nil })
	if err != nil {
		body.Reset()
	}
	return writeWhole(x, resp.StatusCode, body.Bytes())
}

// resource is what the client's request is about, by the client's names.
func (x *exchange) resource() string {
	if x.req.Key == "" {
		return "/" + x.req.Bucket
	}
	return "/" + x.req.Bucket + "/" + x.req.Key
}

// location is the URL of the same, in the style that the client uses.
func (x *exchange) location() string {
	path := "/" + s3req.EscapeKey(x.req.Key)
	if !x.req.Virtual {
		path = "/" + s3req.EscapeKey(x.req.Bucket) + path
	}
	return x.scheme + "://" + x.r.Host + path
}
