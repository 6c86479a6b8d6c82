package pipeline

import (
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
)

func TestAnObjectThatIsTooLargeIsRefusedBeforeItsBody(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"limits": settings{"all": settings{"largest_object": 5}}})
	for name, req := range map[string]*http.Request{
		"an object": r.Signed("PUT", "/photos/k", "123456"), "a part": r.Signed("PUT", "/photos/k?partNumber=1&uploadId=u", "123456"),
		"what is appended": r.Signed("PUT", "/photos/k", "1", "X-Amz-Write-Offset-Bytes", "5"),
	} {
		got := r.Do(req)
		if text := string(got.Content); got.StatusCode != 400 || got.Code() != "EntityTooLarge" ||
			!strings.Contains(text, "<ProposedSize>6</ProposedSize>") || !strings.Contains(text, "<MaxSizeAllowed>5</MaxSizeAllowed>") {
			t.Errorf("%s: %d %s", name, got.StatusCode, text)
		}
	}
	r.Store.Untouched(t)
}

// stored are the requests whose body a store may keep as an object, or as a part of one.
var stored = []string{
	"/photos/k", "/photos/k?partNumber=1&uploadId=u", "/photos/k?acl", "/photos/k?annotation&annotationName=n", "/photos/k?encryption",
	"/photos/k?legal-hold", "/photos/k?retention", "/photos/k?tagging", "/photos/k?tagging&foo", "/photos/k?attributes", "/photos/k?foo", "/photos/k?append",
}

// framing is how a body comes.
type framing struct{ inChunksOfHTTP, inChunksOfS3, unsigned bool }

func (f framing) request(r *rig, target, body string) *http.Request {
	var header []string
	switch {
	case f.inChunksOfS3:
		header = trailerHeaders(body)
		body = unsignedTrailer(body, crc32.ChecksumIEEE([]byte(body)))
	case f.unsigned:
		header = []string{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"}
	}
	req := r.Request("PUT", target, body)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if f.inChunksOfHTTP {
		req.ContentLength = -1
	}
	return r.Sign(req, body)
}

func TestNothingThatIsTooLargeIsStoredHoweverItComes(t *testing.T) {
	limit := settings{"limits": settings{"all": settings{"largest_object": 5}}}
	for _, f := range []framing{{}, {unsigned: true}, {inChunksOfHTTP: true}, {inChunksOfHTTP: true, unsigned: true}, {inChunksOfS3: true}, {inChunksOfHTTP: true, inChunksOfS3: true}} {
		for _, target := range stored {
			r := entries(t, callbacks.Set{}, limit, map[string]settings{"photos": {"unknown_operations": true}})
			got := r.Do(f.request(r, target, "123456"))
			if code := got.Code(); code != "EntityTooLarge" && code != "MissingContentLength" {
				t.Errorf("%s %+v: %d %s", target, f, got.StatusCode, got.Content)
			}
			r.Store.Untouched(t)
			if got := r.Do(f.request(r, target, "12345")); got.StatusCode != 200 && got.Code() != "MissingContentLength" {
				t.Errorf("%s %+v: what fits: %d %s", target, f, got.StatusCode, got.Content)
			}
		}
	}
}

func TestAFileOfAFormIsNoLargerThanAnObject(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"limits": settings{"all": settings{"largest_object": 5}}})
	r.Refuses(formOf{file: "123456"}.request(r), 400, "EntityTooLarge")
	if got := r.Do(formOf{file: "12345"}.request(r)); got.StatusCode != 204 {
		t.Errorf("%d %s", got.StatusCode, got.Content)
	}
}

func TestPartsAreAddedUpBeforeTheyAreOneObject(t *testing.T) {
	page := func(truncated bool, from int, sizes ...int) string {
		text := fmt.Sprintf("<ListPartsResult><IsTruncated>%v</IsTruncated><NextPartNumberMarker>%d</NextPartNumberMarker>", truncated, from)
		for i, size := range sizes {
			text += fmt.Sprintf(`<Part><PartNumber>%d</PartNumber><ETag>"e%d"</ETag><Size>%d</Size></Part>`, from+i, from+i, size)
		}
		return text + "</ListPartsResult>"
	}
	const document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e1</ETag></Part>" +
		"<Part><PartNumber>2</PartNumber><ETag>&quot;e2&quot;</ETag></Part></CompleteMultipartUpload>"
	for name, c := range map[string]struct {
		pages  []string
		status int // of ListParts
		want   int
		code   string
	}{
		"small enough":           {[]string{page(false, 1, 5, 5)}, 200, 200, ""},
		"one that is left out":   {[]string{page(false, 1, 5, 5, 5)}, 200, 200, ""},
		"too large":              {[]string{page(false, 1, 5, 6)}, 200, 400, "EntityTooLarge"},
		"too large in two":       {[]string{page(true, 1, 5), page(false, 2, 6)}, 200, 400, "EntityTooLarge"},
		"one that is not listed": {[]string{page(false, 1, 5)}, 200, 400, "InvalidPart"},
		"no upload (any more)":   {[]string{"<Error/>"}, 404, 200, ""},
		"a store that is silent": {[]string{"<Error/>"}, 501, 502, "BadGateway"},
		"no list":                {[]string{"<html>"}, 200, 502, "BadGateway"},
	} {
		r := start(t, callbacks.Set{}, settings{"limits": settings{"token": settings{"largest_object": 10}}})
		asked := 0
		r.Store.Answers(func(w http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodGet {
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.pages[min(asked, len(c.pages)-1)])
				asked++
				return
			}
			_, _ = fmt.Fprint(w, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
		})
		got := r.Do(r.Signed("POST", "/photos/k?uploadId=u", document))
		if got.StatusCode != c.want || got.Code() != c.code || asked != len(c.pages) {
			t.Errorf("%s: %d %s after %d lists", name, got.StatusCode, got.Content, asked)
		}
		for _, seen := range r.Store.Requests() {
			if seen.Method == "POST" && string(seen.Body) != document {
				t.Errorf("%s: the store got %s", name, seen.Body)
			}
			if seen.Method == "POST" && c.code != "" {
				t.Errorf("%s: the store was told to put it together", name)
			}
		}
	}
}

func TestPartsAreNotAddedUpBeforeTheirListIsHere(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"limits": settings{"token": settings{"largest_object": 10}}})
	req := r.Signed("POST", "/photos/k?uploadId=u", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>")
	arrives, held := io.Pipe()
	document, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	req.Body = arrives
	go func() {
		_, _ = held.Write(document[:20])
		r.Store.Untouched(t)
		_, _ = held.Write(document[20 : len(document)-1])
		_ = held.CloseWithError(io.ErrUnexpectedEOF) // so that it never comes to its end
	}()
	if _, err := http.DefaultTransport.RoundTrip(req); err == nil {
		t.Error("the request has not failed")
	}
	r.Store.Untouched(t)
}

// What a store or a body has to tell costs as much as a request, so nobody gets it for nothing.
func TestWhatIsFoundTooLargeLateCountsAsOneRequest(t *testing.T) {
	limit := settings{"limits": settings{"token": settings{"largest_object": 4, "requests_per_day": 1}}}
	for name, request := range map[string]func(r *twoStores) *http.Request{
		"a copy": func(r *twoStores) *http.Request { return r.copy() },
		"parts": func(r *twoStores) *http.Request {
			r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprint(w, "<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>a</ETag><Size>5</Size></Part></ListPartsResult>")
			})
			return r.Signed("POST", "/target/k?uploadId=u", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>")
		},
		"a document": func(r *twoStores) *http.Request {
			return framing{inChunksOfHTTP: true}.request(r.rig, "/target/k?tagging", "12345")
		},
	} {
		r := startTwoWith(t, callbacks.Set{}, limit, Options{}, nil, nil)
		for _, want := range []string{"EntityTooLarge", "QuotaExceeded"} {
			if got := r.Do(request(r)); got.Code() != want {
				t.Errorf("%s: %d %s, want %s", name, got.StatusCode, got.Content, want)
			}
		}
	}
}
