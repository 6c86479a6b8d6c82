package pipeline

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
)

func TestThePathsOfTheStoresAnswerComeThrough(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 0-3/10")
		w.Header().Set("X-Amz-Version-Id", "v1")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header()["Content-Type"] = nil
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write([]byte("0123"))
	})
	a := r.Do(r.Signed("GET", "/photos/k?partNumber=1", "", "Range", "bytes=0-3"))
	if a.StatusCode != 206 || string(a.Content) != "0123" || a.Header.Get("Content-Range") == "" || a.Header.Get("X-Amz-Version-Id") != "v1" {
		t.Errorf("got %d %q %v", a.StatusCode, a.Content, a.Header)
	}
	if a.Header.Get("X-Hop") != "" || a.Header["Content-Type"] != nil {
		t.Errorf("headers that the store did not mean: %v", a.Header)
	}
	if got := r.Store.Only(t); got.Header.Get("Range") != "bytes=0-3" || got.Target != "/photos/k?partNumber=1" {
		t.Errorf("the store saw %s with %v", got.Target, got.Header)
	}
}

func TestHeadAnswersHaveNoBodyAndKeepTheirLength(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "5368709120") })
	if a := r.Do(r.Signed("HEAD", "/photos/k", "")); a.StatusCode != 200 || a.ContentLength != 5<<30 {
		t.Errorf("got %d with length %d", a.StatusCode, a.ContentLength)
	}
	if a := r.Do(r.Request("HEAD", "/photos/k", "")); a.StatusCode != 403 || len(a.Content) != 0 {
		t.Errorf("unsigned: got %d %q", a.StatusCode, a.Content)
	}
}

func TestLengthsOfHugeObjectsAndEmptyOnesPass(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	for _, length := range []string{"0", "5368709120", "5497558138880"} {
		r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", length) })
		if a := r.Do(r.Signed("HEAD", "/photos/k", "")); a.Header.Get("Content-Length") != length {
			t.Errorf("%s became %q", length, a.Header.Get("Content-Length"))
		}
	}
}

func TestBytesReachTheClientAsTheyCome(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	more := make(chan struct{})
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("first"))
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = w.Write([]byte("second"))
	})
	resp, err := pipelinetest.Client.Do(r.Signed("GET", "/photos/k", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buffer := make([]byte, 100)
	if n, err := resp.Body.Read(buffer); err != nil || string(buffer[:n]) != "first" {
		t.Errorf("got %q, %v", buffer[:n], err)
	}
	close(more)
	if n, _ := resp.Body.Read(buffer); string(buffer[:n]) != "second" {
		t.Errorf("got %q", buffer[:n])
	}
}

func TestSpacesOfALongCompletionReachTheClientAtOnce(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	seen := make(chan struct{})
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<?xml version=\"1.0\"?>\n  ")
		_ = http.NewResponseController(w).Flush()
		<-seen // the store works on, until the client has seen that
		_, _ = io.WriteString(w, "<Error><Code>InternalError</Code></Error>")
	})
	resp, err := pipelinetest.Client.Do(r.Signed("POST", "/photos/k?uploadId=u", "<CompleteMultipartUpload/>"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	begin := make([]byte, len("<?xml version=\"1.0\"?>\n  "))
	if _, err := io.ReadFull(resp.Body, begin); err != nil {
		t.Fatal(err)
	}
	close(seen)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !strings.Contains(string(rest), "InternalError") {
		t.Errorf("%d %s, %v", resp.StatusCode, rest, err)
	}
}

func TestAnAnswerThatBreaksOffNeverLooksComplete(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("first"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	resp, err := pipelinetest.Client.Do(r.Signed("GET", "/photos/k", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the answer came to a clean end")
	}
}
