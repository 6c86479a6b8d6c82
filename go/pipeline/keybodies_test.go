package pipeline

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"osp/go/callbacks"
)

func TestBodiesOfStrangersAreReadFewAtATime(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	leave := func() {}
	for range keyBodiesEach {
		var err error
		if leave, err = r.pipeline.keyBodies.acquire("127.0.0.1"); err != nil {
			t.Fatal(err)
		}
	}
	long := whoAmI + "&Policy=" + strings.Repeat("x", shortKeyBody)
	unmeasured := r.toSTS(whoAmI, "sts")
	unmeasured.ContentLength = -1
	for name, req := range map[string]*http.Request{"a long body": r.toSTS(long, "sts"), "one of any length": unmeasured} {
		if a := r.Do(req); a.StatusCode != 400 || stsCode(a) != "Throttling" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Content)
		}
	}
	if a := r.Do(r.toSTS(whoAmI, "sts")); a.StatusCode != 200 {
		t.Errorf("a short body: %d %s", a.StatusCode, a.Content)
	}
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
		t.Errorf("S3: %d %s", a.StatusCode, a.Content)
	}
	leave()
	if a := r.Do(r.toSTS(long, "sts")); stsCode(a) != "ValidationError" { // for it has no policy
		t.Errorf("with one place left: %d %s", a.StatusCode, a.Content)
	}
}

func TestPlacesAreSharedByAddresses(t *testing.T) {
	s := newSemaphore(3, 2)
	var leave []func()
	for i, c := range []struct {
		address string
		fits    bool
	}{{"a", true}, {"a", true}, {"a", false}, {"b", true}, {"b", false}} {
		release, err := s.acquire(c.address)
		if fits := err == nil; fits != c.fits {
			t.Errorf("%d, of %s: %v", i, c.address, err)
		}
		if err == nil {
			leave = append(leave, release)
		}
	}
	for _, release := range leave {
		release()
	}
	if s.taken != 0 || len(s.by) != 0 {
		t.Errorf("%d places and %v are taken", s.taken, s.by)
	}
}

func TestABodyForSTSComesAtOnce(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.pipeline.keyBodyTime = 50 * time.Millisecond
	slow, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_ = slow.SetDeadline(time.Now().Add(rateWindow / 3))
	fmt.Fprintf(slow, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 60000\r\n\r\nA", formType)
	resp, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); !strings.Contains(string(text), "<Code>RequestTimeout</Code>") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}

func TestWhileAnIssuerIsAskedNoPlaceIsTaken(t *testing.T) {
	r, issuer, token := byToken(t)
	asked, over := make(chan struct{}), make(chan struct{})
	issuer.Serve(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-over
		w.WriteHeader(http.StatusInternalServerError)
	})
	got := make(chan string)
	go func() { got <- stsCode(r.withToken(token)) }()
	<-asked
	if n := r.pipeline.keyBodies.taken; n != 0 {
		t.Errorf("%d places", n)
	}
	close(over)
	if code := <-got; code != "IDPCommunicationError" {
		t.Error(code)
	}
}

func TestOfABodyThatIsTooLongLittleIsRead(t *testing.T) {
	r, o := recorded(t, callbacks.Set{}, nil)
	long := whoAmI + strings.Repeat("&", 1<<20)
	for _, length := range []int64{int64(len(long)), -1} {
		req := r.Request("POST", "/", long)
		req.Header.Set("Content-Type", formType)
		req.ContentLength = length
		a := r.Do(req)
		x := o.next(t)
		if stsCode(a) != "ValidationError" || !strings.Contains(string(a.Content), "too large") || length > 0 && x.BytesIn != 0 || x.BytesIn > 65<<10 {
			t.Errorf("of a length of %d: %d bytes, %d %s", length, x.BytesIn, a.StatusCode, a.Content)
		}
	}
}
