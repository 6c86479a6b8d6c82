package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
)

// Whoever has shown no signature may send a head of maxHeaderBytes, or that and
// the beginning of a form; whoever has shown one, a list of keys as well. What
// follows says what a byte of such requests costs, from the connection to the
// refusal, beside a byte of one plain header.

const (
	hostileHead   = maxHeaderBytes - 4<<10 // how much of a head is filled, in bytes
	maxFormFields = 64 << 10               // what the pipeline reads of a form before its file
	maxDocument   = 8 << 20                // and of a list
)

// hostile is what somebody sends in order to keep the proxy busy.
type hostile struct {
	name string
	code string // that it is refused with
	wire []byte
}

func plainHeader(r *rig) []byte {
	return sent(r.Request("GET", "/photos/k", ""), "X-Plain", strings.Repeat("a", hostileHead))
}

// sent is a request as it is sent.
func sent(req *http.Request, header ...string) []byte {
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
	}
	var b bytes.Buffer
	_ = req.Write(&b) // a buffer never fails
	return b.Bytes()
}

// several is a text n times. A # in it is a number, and they ascend as texts, too.
func several(n int, text string) string {
	before, after, numbered := strings.Cut(text, "#")
	b := make([]byte, 0, n*(len(text)+8))
	for i := range n {
		b = append(b, before...)
		if numbered {
			b = strconv.AppendInt(b, 1<<24+int64(i), 16)
			b = append(b, after...)
		}
	}
	return string(b)
}

// filled is a text again and again, cut off at a size.
func filled(size int, text string) string { return several(size/len(text)+1, text)[:size] }

// withAuthorization has a signature that is wrong.
func withAuthorization(r *rig, accessKey, signed string) []byte {
	now := time.Now().UTC()
	return sent(r.Request("GET", "/photos/k", ""),
		"Authorization", "AWS4-HMAC-SHA256 Credential="+accessKey+now.Format("/20060102")+"/us-east-1/s3/aws4_request"+
			", SignedHeaders=host"+signed+";x-amz-content-sha256;x-amz-date, Signature="+strings.Repeat("0", 64),
		"X-Amz-Date", now.Format("20060102T150405Z"), "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
}

func formHead(r *rig, boundary, head string) []byte {
	req := r.Request("POST", "/photos", head)
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	return sent(req)
}

// wrongForm is a form of a known client whose signature is wrong.
func wrongForm(conditions, tags string) string {
	now := time.Now().UTC()
	policy := base64.StdEncoding.EncodeToString([]byte(`{"expiration": "2100-01-01T00:00:00Z", "conditions": [` + conditions + `{"key": "k"}]}`))
	var b strings.Builder
	for _, f := range [][2]string{
		{"key", "k"}, {"policy", policy}, {"x-amz-algorithm", "AWS4-HMAC-SHA256"},
		{"x-amz-credential", pipelinetest.ClientKey + now.Format("/20060102") + "/us-east-1/s3/aws4_request"}, {"x-amz-date", now.Format("20060102T150405Z")},
		{"x-amz-signature", strings.Repeat("0", 64)}, {"tagging", "<Tagging><TagSet>" + tags + "</TagSet></Tagging>"}, {"file", "x"},
	} {
		fmt.Fprintf(&b, "--b\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", f[0], f[1])
	}
	return b.String() + "--b--\r\n"
}

// hostileRequests are the ways that anybody has, and those of clients that may sign.
func hostileRequests(r *rig) []hostile {
	const part = "--b\r\nContent-Disposition: form-data; name=\"#\"\r\n\r\n\r\n"
	const field = "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n"
	list := func(name, inside string) hostile {
		body := "<Delete>" + filled(maxDocument-len("<Delete>"), inside)
		return hostile{"a list to delete: " + name, "MalformedXML", sent(r.Signed("POST", "/photos?delete", body, "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"))}
	}
	target := func(t string) []byte {
		return []byte("GET /photos/" + t + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	}
	chunks := r.Request("PUT", "/photos/k", strings.Repeat("1", 1<<20))
	chunks.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
	chunks.Header.Set("X-Amz-Decoded-Content-Length", "1000")
	return []hostile{
		{"a query of many parameters", "InvalidArgument", target("k?" + filled(hostileHead, "#&"))},
		{"a query of one parameter again and again", "InvalidArgument", target("k?" + filled(hostileHead, "a&"))},
		{"as many parameters as pass", "AccessDenied", target("k?" + several(230, "x-#"+strings.Repeat("%41", 80)+"&"))},
		{"a long path of escapes", "KeyTooLongError", target(filled(hostileHead, "%26"))},
		{"a long path that answers escape", "KeyTooLongError", target(filled(hostileHead, "&"))},
		{"many headers", "RequestHeaderSectionTooLarge", []byte("GET /photos/k HTTP/1.1\r\nHost: a\r\n" + filled(hostileHead, "#:\r\n") + "\r\n\r\n")},
		{"one header again and again", "RequestHeaderSectionTooLarge", []byte("GET /photos/k HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("a:\r\n", hostileHead/4) + "\r\n")},
		{"as many headers as pass", "AccessDenied", []byte("GET /photos/k HTTP/1.1\r\nHost: a\r\n" + several(900, "x-amz-meta-#-a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-s-t-u: v\r\n") + "\r\n\r\n")},
		{"one header as often as it passes", "AccessDenied", []byte("GET /photos/k HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("connection:"+strings.Repeat(",a", 24)+"\r\n", 990) + "\r\n")},
		{"many signed headers", "SignatureDoesNotMatch", withAuthorization(r, pipelinetest.ClientKey, several(hostileHead/9, ";i#"))},
		{"a long credential", "InvalidAccessKeyId", withAuthorization(r, filled(8<<10, "a"), "")},
		{"a credential of slashes", "InvalidAccessKeyId", withAuthorization(r, filled(hostileHead, "/"), "")},
		{"a long copy source", "KeyTooLongError", sent(r.Request("PUT", "/photos/k", ""), "X-Amz-Copy-Source", "/photos/"+filled(hostileHead, "%2F"))},
		{"a form of one field", "MaxMessageLengthExceeded", formHead(r, "b", field+filled(maxFormFields, "a"))},
		{"a form of many fields", "MaxMessageLengthExceeded", formHead(r, "b", filled(maxFormFields, part))},
		{"as many fields of a form as pass", "AccessDenied", formHead(r, "b", several(220, "--b\r\nContent-Disposition: form-data; name=\"x-amz-meta-#\"\r\n\r\n"+strings.Repeat("a", 200)+"\r\n")+"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\r\n--b--\r\n")},
		{"a policy of many conditions", "SignatureDoesNotMatch", formHead(r, "b", wrongForm(several(4900, `{"a":""},`), ""))},
		{"many tags of a form", "SignatureDoesNotMatch", formHead(r, "b", wrongForm("", several(9000, "<Tag/>")))},
		{"a form of short lines", "MaxMessageLengthExceeded", formHead(r, "b", field+filled(maxFormFields, "\n"))},
		{"a form of almost boundaries", "MaxMessageLengthExceeded", formHead(r, strings.Repeat("b", 70), strings.Replace(field, "b", strings.Repeat("b", 70), 1)+filled(maxFormFields, "\r\n--"+strings.Repeat("b", 69)))},
		{"a form with many headers", "MaxMessageLengthExceeded", formHead(r, "b", "--b\r\n"+filled(maxFormFields, "#:\r\n"))},
		{"a form of many parameters", "MalformedPOSTRequest", formHead(r, "b; "+filled(hostileHead, "a#=;"), "")},
		{"a long chunk header", "MaxMessageLengthExceeded", sent(r.Sign(chunks, ""))},
		list("unknown elements", "<a/>"),
		list("one text", "<Object><Key>"+strings.Repeat("a", maxDocument)),
		list("space", " "),
		list("comments", "<!---->"),
		list("deep nesting", "<Object>"),
		list("attributes", "<Object "+filled(maxDocument, "a#='' ")),
		list("one key after another", "<Object><Key>a</Key></Object>"),
		list("entities", "<Object><Key>"+strings.Repeat("&lt;", maxDocument/4)),
	}
}

// conversation is a connection on which all was said before it began.
type conversation struct {
	net.Conn // nil: what the server has no use for
	said     *bytes.Reader
	heard    bytes.Buffer
	over     sync.WaitGroup
}

func (c *conversation) Read(p []byte) (int, error)  { return c.said.Read(p) }
func (c *conversation) Write(p []byte) (int, error) { return c.heard.Write(p) }
func (c *conversation) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000}
}
func (c *conversation) LocalAddr() net.Addr              { return c.RemoteAddr() }
func (c *conversation) SetDeadline(time.Time) error      { return nil }
func (c *conversation) SetReadDeadline(time.Time) error  { return nil }
func (c *conversation) SetWriteDeadline(time.Time) error { return nil }

func (c *conversation) Close() error {
	c.over.Done()
	return nil
}

// switchboard is a listener whose connections are conversations.
type switchboard chan *conversation

func (s switchboard) Addr() net.Addr { return &net.TCPAddr{} }

func (s switchboard) Accept() (net.Conn, error) {
	if c, ok := <-s; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (s switchboard) Close() error { return nil }

// listener lets the proxy hear requests without a network between.
func listener(t testing.TB) (r *rig, say func(wire []byte) (answer []byte)) {
	r = &rig{Rig: pipelinetest.New(t, nil, pipelinetest.Buckets())}
	r.URL = "http://127.0.0.1"
	r.server = New(r.Config, callbacks.Set{}, slog.New(slog.DiscardHandler))
	calls := make(switchboard)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = r.server.fronts[0].http1.Serve(calls)
	}()
	t.Cleanup(func() {
		close(calls)
		<-ended
		if err := r.server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r, func(wire []byte) []byte {
		c := &conversation{said: bytes.NewReader(wire)}
		c.over.Add(1)
		calls <- c
		c.over.Wait()
		return c.heard.Bytes()
	}
}

// refused fails unless the answer is the refusal that was meant.
func refused(t testing.TB, h hostile, wire []byte) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(wire)), nil)
	if err != nil {
		t.Fatalf("%s: %v: %q", h.name, err, wire[:min(len(wire), 100)])
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if a := (reply{Response: resp, Content: body}); err != nil || resp.StatusCode < 400 || a.Code() != h.code {
		t.Fatalf("%s: got %d %s, %v", h.name, resp.StatusCode, a.Code(), err)
	}
}

// dearest is how many times the price of a plain byte any byte may have. All were
// below 10 when this was written, but machines differ, and the race detector
// makes some code dearer than other.
const dearest = 30

func TestNoByteOfAStrangerIsDear(t *testing.T) {
	r, say := listener(t)
	plain := priceOf(say, plainHeader(r))
	for _, h := range hostileRequests(r) {
		refused(t, h, say(h.wire))
		got := priceOf(say, h.wire)
		if got.time > dearest*plain.time || got.memory > dearest*plain.memory {
			t.Errorf("%s: %v, and a plain header %v", h.name, got, plain)
		}
	}
}

// price is what one byte costs.
type price struct{ time, memory float64 }

func (p price) String() string {
	return fmt.Sprintf("%.2f ns and %.2f bytes of memory for each byte", p.time, p.memory)
}

// priceOf is the least of some rounds, in the time of this process rather than
// that of the clock, which others who use the machine make longer.
func priceOf(say func([]byte) []byte, wire []byte) price {
	least := price{math.Inf(1), math.Inf(1)}
	for range 3 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		begun, said := processTime(), 0
		for said == 0 || processTime()-begun < 2*time.Millisecond {
			say(wire)
			said += len(wire)
		}
		took := processTime() - begun
		runtime.ReadMemStats(&after)
		least.time = min(least.time, float64(took.Nanoseconds())/float64(said))
		least.memory = min(least.memory, float64(after.TotalAlloc-before.TotalAlloc)/float64(said))
	}
	return least
}

func processTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkHostile(b *testing.B) {
	r, say := listener(b)
	for _, h := range append([]hostile{{"a plain header", "AccessDenied", plainHeader(r)}}, hostileRequests(r)...) {
		b.Run(h.name, func(b *testing.B) {
			refused(b, h, say(h.wire))
			b.ReportAllocs()
			for b.Loop() {
				say(h.wire)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(h.wire)), "ns/byte")
		})
	}
}
