package h2

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

func TestMalformedRequestsReachNoHandler(t *testing.T) {
	asked := make(chan string, 100)
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			asked <- r.URL.Path
		}
	})
	heads := map[string][]string{
		"no method":                    {":scheme", "https", ":authority", "a", ":path", "/bad"},
		"no scheme":                    {":method", "GET", ":authority", "a", ":path", "/bad"},
		"no path":                      {":method", "GET", ":scheme", "https", ":authority", "a"},
		"no authority":                 {":method", "GET", ":scheme", "https", ":path", "/bad"},
		"another scheme":               {":method", "GET", ":scheme", "ftp", ":authority", "a", ":path", "/bad"},
		"a method with a space":        {":method", "GET /x", ":scheme", "https", ":authority", "a", ":path", "/bad"},
		"an empty path":                {":method", "GET", ":scheme", "https", ":authority", "a", ":path", ""},
		"a path with an authority":     {":method", "GET", ":scheme", "https", ":authority", "a", ":path", "https://b/bad"},
		"a path without a slash":       {":method", "GET", ":scheme", "https", ":authority", "a", ":path", "bad"},
		"a star":                       {":method", "GET", ":scheme", "https", ":authority", "a", ":path", "*"},
		"a path with a space":          {":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/bad HTTP/1.1"},
		"a path with a line break":     {":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/bad\r\n"},
		"an invalid escape":            {":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/bad%zz"},
		"CONNECT":                      {":method", "CONNECT", ":authority", "a:1"},
		"CONNECT with a path":          {":method", "CONNECT", ":scheme", "https", ":authority", "a", ":path", "/bad"},
		"an authority with userinfo":   {":method", "GET", ":scheme", "https", ":authority", "b@a", ":path", "/bad"},
		"an authority with a path":     {":method", "GET", ":scheme", "https", ":authority", "a/b", ":path", "/bad"},
		"two paths":                    append(put(), ":path", "/other"),
		"an unknown pseudo-header":     append(put(), ":protocol", "websocket"),
		"a response's pseudo-header":   append(put(), ":status", "200"),
		"a late pseudo-header":         {":method", "GET", ":scheme", "https", ":authority", "a", "b", "c", ":path", "/bad"},
		"a name in upper case":         put("Content-Type", "a"),
		"a name with a space":          put("a b", "c"),
		"a name with a colon":          put("a:b", "c"),
		"an empty name":                put("", "c"),
		"a line break in a value":      put("a", "b\r\nx-amz-acl: public-read"),
		"a NUL in a value":             put("a", "b\x00"),
		"a leading space":              put("a", " b"),
		"a trailing tab":               put("a", "b\t"),
		"Connection":                   put("connection", "close"),
		"Keep-Alive":                   put("keep-alive", "1"),
		"Proxy-Connection":             put("proxy-connection", "keep-alive"),
		"Transfer-Encoding":            put("transfer-encoding", "chunked"),
		"Upgrade":                      put("upgrade", "h2c"),
		"TE":                           put("te", "gzip"),
		"another host":                 put("host", "b"),
		"two hosts":                    put("host", "a", "host", "a"),
		"two lengths":                  put("content-length", "4", "content-length", "4"),
		"a list of lengths":            put("content-length", "4, 4"),
		"a length with a sign":         put("content-length", "+4"),
		"a length with a leading 0":    put("content-length", "04"),
		"a length that is no number":   put("content-length", "a"),
		"an empty length":              put("content-length", ""),
		"a length that is too long":    put("content-length", "5"),
		"a length that is too short":   put("content-length", "3"),
		"a length that is ever so big": put("content-length", "99999999999999999999"),
	}
	for name, fields := range heads {
		l := s.dial()
		l.ask(1, false, fields...)
		l.must(l.WriteData(1, true, []byte("body")))
		if got := l.hear(1); !got.reset || got.code != http2.ErrCodeProtocol {
			t.Errorf("%s: %+v", name, got)
		}
		l.ask(3, false, append(put(), "content-length", "4", "te", "trailers")...)
		l.must(l.WriteData(3, true, []byte("body")))
		if got := l.hear(3); got.status != "200" || <-asked != "/" || len(asked) > 0 {
			t.Errorf("%s: a sound request after it: %+v", name, got)
		}
	}
}

func TestALengthWithoutABodyIsMalformed(t *testing.T) {
	s := serve(t, false, func(http.ResponseWriter, *http.Request) { t.Error("the handler was asked") })
	l := s.dial()
	l.ask(1, true, put("content-length", "4")...)
	if got := l.hear(1); got.code != http2.ErrCodeProtocol {
		t.Errorf("%+v", got)
	}
}

func TestWhatAHandlerSees(t *testing.T) {
	seen := make(chan *http.Request, 1)
	s := serve(t, false, func(_ http.ResponseWriter, r *http.Request) { seen <- r })
	l := s.dial()
	l.ask(1, true, ":method", "GET", ":scheme", "https", ":path", "/a%2fb/../c?x=%20", "host", "h:1", "x-amz-date", "1", "x-amz-date", "2", "cookie", "a", "cookie", "b")
	r := <-seen
	if r.RequestURI != "/a%2fb/../c?x=%20" || r.Host != "h:1" || r.Header["Host"] != nil || r.ContentLength != 0 || r.ProtoMajor != 2 || r.Proto != "HTTP/2.0" ||
		strings.Join(r.Header["X-Amz-Date"], ",") != "1,2" || r.Header.Get("Cookie") != "a; b" || r.URL.RawQuery != "x=%20" || r.RemoteAddr == "" {
		t.Errorf("%+v", r)
	}
	l.ask(3, false, put("trailer", "x")...)
	if r = <-seen; r.ContentLength != -1 {
		t.Errorf("length %d", r.ContentLength)
	}
}

func TestTrailersAreCheckedAndDropped(t *testing.T) {
	for name, c := range map[string]struct {
		fields []string
		good   bool
	}{
		"none that matter":   {[]string{"x-checksum", "a"}, true},
		"a pseudo-header":    {[]string{":path", "/"}, false},
		"an upper-case name": {[]string{"X", "a"}, false},
	} {
		s := serve(t, false, echo)
		l := s.dial()
		l.ask(1, false, put()...)
		l.must(l.WriteData(1, false, []byte("body")))
		l.ask(1, true, c.fields...)
		got := l.hear(1)
		if good := got.status == "200" && string(got.body) == "body"; good != c.good || !good && got.code != http2.ErrCodeProtocol {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestHeadsThatAreTooLongAreRefused(t *testing.T) {
	s := serve(t, false, func(http.ResponseWriter, *http.Request) { t.Error("the handler was asked") })
	many := put()
	for range maxFields {
		many = append(many, "a", "")
	}
	for name, c := range map[string]struct {
		fields []string
		status string
	}{
		"long fields":    {put("a", strings.Repeat("x", 40<<10), "b", strings.Repeat("y", 30<<10)), "431"},
		"many fields":    {many, "431"},
		"another Expect": {put("expect", "a"), "417"},
	} {
		l := s.dial()
		block := l.encode(c.fields...)
		l.must(l.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:min(len(block), maxFrame)], EndStream: true, EndHeaders: len(block) <= maxFrame}))
		for rest := block[min(len(block), maxFrame):]; len(rest) > 0; {
			n := min(len(rest), maxFrame)
			l.must(l.WriteContinuation(1, n == len(rest), rest[:n]))
			rest = rest[n:]
		}
		if got := l.hear(1); got.status != c.status && got.code != http2.ErrCodeEnhanceYourCalm {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestABrokenHeadEndsItsConnection(t *testing.T) {
	whole := http2.FlagHeadersEndHeaders
	for name, c := range map[string]struct {
		flags   http2.Flags
		payload []byte
		code    http2.ErrCode
	}{
		"too much padding, to go on":   {http2.FlagHeadersPadded, []byte{255, 0x82}, http2.ErrCodeProtocol},
		"too much padding, whole":      {http2.FlagHeadersPadded | whole, []byte{255, 0x82}, http2.ErrCodeProtocol},
		"no room for its padding":      {http2.FlagHeadersPadded, nil, http2.ErrCodeFrameSize},
		"no room for its priority":     {http2.FlagHeadersPriority | whole, []byte{0, 0}, http2.ErrCodeFrameSize},
		"a table that can't have that": {whole, []byte{0xff, 0xff, 0xff}, http2.ErrCodeCompression},
	} {
		asked, release := make(chan http.Header, 2), make(chan struct{})
		s := serve(t, false, func(_ http.ResponseWriter, r *http.Request) {
			asked <- r.Header
			<-release
		})
		l := s.dial()
		l.ask(1, true, plain...)
		header := <-asked // it belongs to the handler now
		l.must(l.WriteRawFrame(http2.FrameHeaders, c.flags, 3, c.payload))
		_ = l.WriteContinuation(3, true, l.encode("x-smuggled", "yes")) // the connection may have ended
		if got := l.hear(3); !got.away || got.code != c.code {
			t.Errorf("%s: %+v", name, got)
		}
		if len(header) > 0 || len(asked) > 0 {
			t.Errorf("%s: the request before it has %v, and %d came after it", name, header, len(asked))
		}
		close(release)
	}
}

func TestACompleteHeadTakesNoMore(t *testing.T) {
	c := newConn(newServer(echo), recorded{})
	c.head.begin(1, ofNobody, true, 100)
	if err := c.onFragment(nil, true); err != nil {
		t.Fatal(err)
	}
	if err := c.onFragment(nil, true); err != connError(http2.ErrCodeProtocol) || c.head.header != nil {
		t.Errorf("got %v, and the head is %+v", err, c.head)
	}
}

func TestMistakesOfStreamsThatNeverWereEndTheConnection(t *testing.T) {
	s := serve(t, false, func(http.ResponseWriter, *http.Request) {})
	for name, mistake := range map[string]func(*link) error{
		"a window of nothing":    func(l *link) error { return l.WriteRawFrame(http2.FrameWindowUpdate, 0, 9, make([]byte, 4)) },
		"it depends upon itself": func(l *link) error { return l.WritePriority(9, http2.PriorityParam{StreamDep: 9}) },
	} {
		l := s.dial()
		l.must(mistake(l))
		if got := l.hear(9); !got.away || got.code != http2.ErrCodeProtocol {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
