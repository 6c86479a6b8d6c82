package copier

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"osp/go/names"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/stores"
	"osp/go/upstream"
)

const (
	early, at, late = "Sun, 01 Mar 2026 10:00:00 GMT", "Sun, 01 Mar 2026 11:00:00 GMT", "Sun, 01 Mar 2026 12:00:00 GMT"
)

func TestWhatCanBeJudgedBeforehandIsRefusedBeforeAnyStoreIsAsked(t *testing.T) {
	part := func(r *Request) { r.Operation = s3op.UploadPartCopy }
	self := func(r *Request) { r.Source.Bucket, r.Source.Key = place("to").Bucket, "k" }
	for _, c := range []struct {
		name   string
		change func(*Request)
		header []string
		want   error
	}{
		{"a directive that does not exist", nil, []string{"X-Amz-Metadata-Directive", "MERGE"}, s3err.InvalidArgument},
		{"likewise for tags", nil, []string{"X-Amz-Tagging-Directive", "copy"}, s3err.InvalidArgument},
		{"annotations", nil, []string{"X-Amz-Object-Annotation-Directive", "COPY"}, s3err.NotImplemented},
		{"a checksum that nobody knows", nil, []string{"X-Amz-Checksum-Algorithm", "XXHASH3"}, s3err.InvalidRequest},
		{"a time that is none", nil, []string{sourcePrefix + "If-Modified-Since", "soon"}, s3err.InvalidArgument},
		{"a range without an end", part, []string{sourcePrefix + "Range", "bytes=3-"}, s3err.InvalidArgument},
		{"a range without a beginning", part, []string{sourcePrefix + "Range", "bytes=-3"}, s3err.InvalidArgument},
		{"a range that ends before it begins", part, []string{sourcePrefix + "Range", "bytes=3-2"}, s3err.InvalidArgument},
		{"two ranges", part, []string{sourcePrefix + "Range", "bytes=1-2,4-5"}, s3err.InvalidArgument},
		{"a range in other units", part, []string{sourcePrefix + "Range", "lines=1-2"}, s3err.InvalidArgument},
		{"a range of more than 5 GiB", part, []string{sourcePrefix + "Range", "bytes=0-5368709120"}, s3err.InvalidRequest},
		{"an object onto itself", self, nil, s3err.InvalidRequest},
		{"an object onto itself with other tags alone", self, []string{"X-Amz-Tagging-Directive", "REPLACE"}, s3err.InvalidRequest},
	} {
		r := request(c.header...)
		if c.change != nil {
			c.change(&r)
		}
		_, err := Begin(t.Context(), r, func(context.Context, *upstream.Call) (*http.Response, error) {
			t.Errorf("%s: a store was asked", c.name)
			return nil, context.Canceled
		})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func place(bucket string) names.Place {
	return names.Place{Bucket: &stores.Bucket{Name: bucket, Remote: bucket + "-remote", Host: "h", Port: 1}, Key: "k"}
}

func request(header ...string) Request {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return Request{Operation: s3op.CopyObject, Source: place("from"), Target: place("to"), Header: h, Checksums: true}
}

// double is both stores, and keeps what was put.
type double struct {
	t       *testing.T
	body    string
	header  http.Header                         // of the source
	answer  func(*upstream.Call) *http.Response // to the PUT
	gets    []*upstream.Call
	put     *upstream.Call
	content []byte
}

func response(status int, header http.Header, body io.Reader, length int64) *http.Response {
	h := http.Header{"Etag": {`"e"`}, "Last-Modified": {at}, "Date": {late}}
	for name, values := range header {
		h[name] = values
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(body), ContentLength: length}
}

func (d *double) send(_ context.Context, call *upstream.Call) (*http.Response, error) {
	if call.Method == http.MethodGet {
		d.gets = append(d.gets, call)
		if call.Query.Has("tagging") {
			return response(200, nil, strings.NewReader("<Tagging><TagSet/></Tagging>"), -1), nil
		}
		return response(200, d.header, strings.NewReader(d.body), int64(len(d.body))), nil
	}
	d.put = call
	if call.Body != nil {
		content, err := io.ReadAll(io.LimitReader(call.Body, call.Length))
		if err != nil {
			return nil, err
		}
		d.content = content
	}
	if d.answer != nil {
		return d.answer(call), nil
	}
	return response(200, nil, strings.NewReader(""), 0), nil
}

func (d *double) copy(r Request) (*Result, error) { return copyBy(d.t, r, d.send) }

func copyBy(t *testing.T, r Request, send Send) (*Result, error) {
	t.Helper()
	c, err := Begin(t.Context(), r, send)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Transfer(t.Context())
}

func TestAChecksumThatTheSourceHasIsSentAhead(t *testing.T) {
	d := &double{t: t, body: "hello", header: http.Header{"X-Amz-Checksum-Crc32": {"NhCmhg=="}}}
	result, err := d.copy(request())
	if err != nil {
		t.Fatal(err)
	}
	if string(d.content) != "hello" || d.put.Header.Get("X-Amz-Checksum-Crc32") != "NhCmhg==" || d.put.PayloadHash != upstream.UnsignedPayload {
		t.Errorf("sent %q with %v", d.content, d.put.Header)
	}
	if want := []byte("<ChecksumCRC32>NhCmhg==</ChecksumCRC32>"); !bytes.Contains(result.Document, want) {
		t.Errorf("no %s in %s", want, result.Document)
	}
}

func TestAChecksumOfPartsIsNotTakenForThatOfTheBytes(t *testing.T) {
	d := &double{t: t, body: "hello", header: http.Header{"X-Amz-Checksum-Crc32": {"AAAAAA=="}, "X-Amz-Checksum-Type": {"COMPOSITE"}}}
	if _, err := d.copy(request()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(d.content, []byte("x-amz-checksum-crc32:NhCmhg==\r\n")) {
		t.Errorf("sent %q", d.content)
	}
}

func TestAnEmptyObjectHasAChecksumToo(t *testing.T) {
	d := &double{t: t}
	if _, err := d.copy(request()); err != nil {
		t.Fatal(err)
	}
	if d.put.Body != nil || d.put.Header.Get("X-Amz-Checksum-Crc64nvme") != "AAAAAAAAAAA=" {
		t.Errorf("sent %v", d.put.Header)
	}
}

func TestWhatASourceMustSayIsNotGuessed(t *testing.T) {
	for name, change := range map[string]func(*http.Response){
		"no length":                 func(r *http.Response) { r.ContentLength = -1 }, // a store that takes off a compression sends none
		"no ETag":                   func(r *http.Response) { delete(r.Header, "Etag") },
		"a part that nobody wanted": func(r *http.Response) { r.StatusCode = 206 },
	} {
		d := &double{t: t, body: "hello"}
		_, err := Begin(t.Context(), request(), func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
			resp, err := d.send(ctx, call)
			change(resp)
			return resp, err
		})
		if !errors.Is(err, s3err.BadGateway) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASourceOrdersNothingOfTheTarget(t *testing.T) {
	for name, c := range map[string]struct {
		header http.Header
		want   error
	}{
		"an instruction to unpack":    {http.Header{"X-Amz-Meta-Snowball-Auto-Extract": {"true"}}, s3err.NotImplemented},
		"a field on two lines":        {http.Header{"Content-Type": {"text/plain", "text/html"}}, s3err.BadGateway},
		"metadata on two lines":       {http.Header{"X-Amz-Meta-A": {"1", "2"}}, s3err.BadGateway},
		"tags, but not that many":     {http.Header{"X-Amz-Tagging-Count": {"1"}}, s3err.ServiceUnavailable},
		"what anybody could have set": {http.Header{"X-Amz-Meta-A": {"1"}, "Content-Type": {"text/plain"}}, nil},
	} {
		d := &double{t: t, body: "hello", header: c.header}
		if _, err := d.copy(request()); !errors.Is(err, c.want) || (c.want != nil) != (d.put == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyTheStatusThatIsNeededIsASuccess(t *testing.T) {
	answers := func(status int, body string) func(*upstream.Call) *http.Response {
		return func(*upstream.Call) *http.Response { return response(status, nil, strings.NewReader(body), -1) }
	}
	for _, status := range []int{201, 202, 204, 206, 304, 308, 999} {
		d := &double{t: t, body: "hello", answer: answers(status, "")}
		if _, err := d.copy(request()); !errors.Is(err, s3err.BadGateway) {
			t.Errorf("the target says %d: %v", status, err)
		}
		for _, selector := range []string{"", "tagging"} {
			d := &double{t: t, body: "hello"}
			_, err := Begin(t.Context(), request(), func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
				resp, err := d.send(ctx, call)
				if call.Query.Has("tagging") == (selector != "") {
					resp.StatusCode = status
				}
				return resp, err
			})
			if !errors.Is(err, s3err.BadGateway) {
				t.Errorf("the source says %d to %q: %v", status, selector, err)
			}
		}
	}
	for name, body := range map[string]string{"nothing": "", "an error": "<Error><Code>InternalError</Code></Error>"} {
		d := &double{t: t, body: "hello", answer: func(*upstream.Call) *http.Response {
			r := response(200, nil, strings.NewReader(body), -1)
			r.Header.Del("Etag")
			return r
		}}
		if _, err := d.copy(request()); s3err.From(err).Status != 502 {
			t.Errorf("the target keeps no object and says %s: %v", name, err)
		}
	}
}

func TestAnObjectOfMoreThanFiveGiBIsNotCopied(t *testing.T) {
	for length, want := range map[int64]error{5 << 30: nil, 5<<30 + 1: s3err.InvalidRequest} {
		c, err := Begin(t.Context(), request(), func(_ context.Context, call *upstream.Call) (*http.Response, error) {
			if call.Query.Has("tagging") {
				return response(200, nil, strings.NewReader("<Tagging/>"), -1), nil
			}
			return response(200, nil, strings.NewReader(""), length), nil
		})
		if !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", length, err)
		}
		if err == nil {
			c.Close()
		}
	}
}

func TestATargetThatAnswersBeforeItHasEverythingHasNothing(t *testing.T) {
	d := &double{t: t, body: "hello"}
	c, err := Begin(t.Context(), request(), func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
		if call.Method == http.MethodPut {
			return response(200, nil, strings.NewReader(""), 0), nil
		}
		return d.send(ctx, call)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Transfer(t.Context()); !errors.Is(err, s3err.BadGateway) || c.Moved() != 0 {
		t.Errorf("%v, %d bytes", err, c.Moved())
	}
}

func TestAnUploadIsAskedAboutOnce(t *testing.T) {
	uploads, asked := NewUploads(), 0
	to := place("to")
	for range 3 {
		r := request()
		r.Operation, r.Target, r.Uploads, r.Query = s3op.UploadPartCopy, to, uploads, s3op.Query{{Name: "uploadId", Value: "u"}, {Name: "partNumber", Value: "1"}}
		d := &double{t: t, body: "hello"}
		_, err := copyBy(t, r, func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
			if call.Method == http.MethodGet && call.Query.Has("uploadId") {
				asked++
				return response(200, nil, strings.NewReader("<ListPartsResult><ChecksumAlgorithm>CRC32</ChecksumAlgorithm></ListPartsResult>"), -1), nil
			}
			return d.send(ctx, call)
		})
		if err != nil || !bytes.Contains(d.content, []byte("x-amz-checksum-crc32:NhCmhg==")) {
			t.Errorf("%v, sent %q", err, d.content)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestNobodyReadsASourceThatIsClosed(t *testing.T) {
	d := &double{t: t, body: "hello"}
	var body io.Reader
	c, err := Begin(t.Context(), request(), func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
		if call.Method == http.MethodPut {
			body = call.Body
			return nil, s3err.BadGateway
		}
		return d.send(ctx, call)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Transfer(t.Context())
	c.Close()
	if n, err := body.Read(make([]byte, 9)); n > 0 || !errors.Is(err, errClosed) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestASecondAttemptIsOfTheSameObject(t *testing.T) {
	for name, c := range map[string]struct {
		second string
		etag   string
		want   error
	}{
		"the same":             {"hello", `"e"`, nil},
		"another ETag":         {"hello", `"f"`, errChanged},
		"the ETag, but longer": {"hello, you", `"e"`, errChanged},
	} {
		d := &double{t: t, body: "hello"}
		_, err := copyBy(t, request(), func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
			if call.Method == http.MethodPut && d.put == nil {
				d.put, d.body, d.header = call, c.second, http.Header{"Etag": {c.etag}}
				return nil, s3err.ServiceUnavailable.Because(upstream.ErrUnrepeatable)
			}
			return d.send(ctx, call)
		})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysForEncryptionGoToTheirOwnSide(t *testing.T) {
	d := &double{t: t, body: "hello"}
	_, err := d.copy(request(sourcePrefix+customerPrefix+"Key", "source's", "X-Amz-"+customerPrefix+"Key", "target's",
		"X-Amz-Source-Expected-Bucket-Owner", "1", "X-Amz-Expected-Bucket-Owner", "2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		call       *upstream.Call
		key, owner string
	}{{d.gets[0], "source's", "1"}, {d.gets[1], "", "1"}, {d.put, "target's", "2"}} {
		if got := c.call.Header.Get("X-Amz-" + customerPrefix + "Key"); got != c.key {
			t.Errorf("%s %v: key %q", c.call.Method, c.call.Query, got)
		}
		if got := c.call.Header.Get("X-Amz-Expected-Bucket-Owner"); got != c.owner {
			t.Errorf("%s %v: owner %q", c.call.Method, c.call.Query, got)
		}
		for name := range c.call.Header {
			if strings.HasPrefix(name, "X-Amz-Copy-Source") || strings.HasPrefix(name, "X-Amz-Source") {
				t.Errorf("%s %v: %s", c.call.Method, c.call.Query, name)
			}
		}
	}
}

func TestACopyIsReadInPiecesHoweverLargeItIs(t *testing.T) {
	const size = 64 << 20
	d := &double{t: t}
	largestRead := 0
	c, err := Begin(t.Context(), request(), func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
		switch {
		case call.Method == http.MethodPut:
			buffer := make([]byte, 128<<10)
			for left := call.Length; left > 0; {
				n, err := call.Body.Read(buffer[:min(left, int64(len(buffer)))])
				if err != nil {
					return nil, err
				}
				largestRead, left = max(largestRead, n), left-int64(n)
			}
			return response(200, nil, strings.NewReader(""), 0), nil
		case call.Query.Has("tagging"):
			return d.send(ctx, call)
		}
		return response(200, nil, io.LimitReader(zeros{}, size), size), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Transfer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.Moved() != size || largestRead > 128<<10 {
		t.Errorf("%d bytes, at most %d at a time", c.Moved(), largestRead)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestTheTimeOfACopyIsThatOfItsStore(t *testing.T) {
	want, _ := time.Parse(http.TimeFormat, late)
	if got := storeTime(http.Header{"Date": {late}}); !got.Equal(want) {
		t.Error(got)
	}
}
