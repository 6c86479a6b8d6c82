package h2

import (
	"bytes"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// flood is what somebody sends in order to keep the server busy: step writes one of
// many, in which a request could have been.
type flood struct {
	name  string
	begin func(l *link)
	step  func(l *link, i uint32)
}

func ping(l *link, _ uint32) { l.must(l.WritePing(false, [8]byte{})) }

func reset(l *link, i uint32) {
	l.ask(2*i+1, true, plain...)
	l.must(l.WriteRSTStream(2*i+1, http2.ErrCodeCancel))
}

func headWithoutEnd(l *link) {
	l.must(l.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: l.encode(plain...)}))
}

func upload(l *link) { l.ask(1, false, put()...) }

var floods = []flood{
	{"pings", nil, ping},
	{"settings", nil, func(l *link, _ uint32) { l.must(l.WriteSettings()) }},
	{"resets", nil, reset},
	{"streams that are mistakes", nil, func(l *link, i uint32) { l.ask(2*i+1, true, ":method", "GET") }},
	{"continuations", headWithoutEnd, func(l *link, i uint32) { l.must(l.WriteContinuation(1, false, nil)) }},
	{"empty data", upload, func(l *link, i uint32) { l.must(l.WriteData(1, false, nil)) }},
	{"padding", upload, func(l *link, i uint32) { l.must(l.WriteDataPadded(1, false, nil, make([]byte, 10))) }},
	{"windows", upload, func(l *link, i uint32) { l.must(l.WriteWindowUpdate(1, 1)) }},
	{"priorities", nil, func(l *link, i uint32) { l.must(l.WritePriority(2*i+1, http2.PriorityParam{StreamDep: 0})) }},
	{"unknown frames", nil, func(l *link, i uint32) { l.must(l.WriteRawFrame(99, 0, 0, nil)) }},
	{"acknowledgements", nil, func(l *link, _ uint32) { l.must(l.WriteSettingsAck()) }},
}

// reading is a server whose handlers read their request's body and send an object of
// 1 KiB. That is cheap: those of the proxy verify, ask and call a store.
func reading(t testing.TB) *running {
	object := make([]byte, 1<<10)
	return serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for _, name := range []string{"Content-Type", "Last-Modified", "Etag", "Accept-Ranges", "Server", "X-Amz-Request-Id", "X-Amz-Id-2"} {
			w.Header().Set(name, "a value of some length")
		}
		w.Header().Set("Content-Length", "1024")
		_, _ = w.Write(object)
	})
}

func TestFloodsEndTheirConnection(t *testing.T) {
	s := reading(t)
	for _, f := range floods {
		l := s.dial()
		go func() { // it does not wait for answers
			if f.begin != nil {
				f.begin(l)
			}
			calm := &link{TCPConn: l.TCPConn, Framer: l.Framer, t: discard{t}, encoder: l.encoder}
			for i := range uint32(20 * maxFutile) {
				f.step(calm, i)
			}
		}()
		for got := (heard{}); ; {
			if got = l.hear(1 << 30); got.away && got.code == http2.ErrCodeEnhanceYourCalm || got.closed {
				break
			}
		}
	}
	l := s.dial()
	l.ask(1, true, plain...)
	if got := l.hear(1); got.status != "200" {
		t.Errorf("another connection: %+v", got)
	}
}

// discard lets writes to a connection that has ended fail.
type discard struct{ testing.TB }

func (discard) Helper()      {}
func (discard) Fatal(...any) {}

func processTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// priceOf is the CPU time of one step, the least of some rounds: others who use the
// machine make it longer.
func priceOf(s *running, f flood) float64 {
	const steps = maxFutile / 4
	var wire bytes.Buffer
	least := math.Inf(1)
	for range 5 {
		l := s.dial()
		if f.begin != nil {
			f.begin(l)
		}
		if f.name != "continuations" {
			l.ping()
		}
		wire.Reset()
		canned := &link{TCPConn: l.TCPConn, Framer: http2.NewFramer(&wire, nil), t: l.t}
		canned.AllowIllegalWrites = true
		canned.encoder = hpack.NewEncoder(&canned.block)
		most := uint32(steps)
		if f.name == "continuations" {
			most = maxContinuations
		}
		for i := range most {
			f.step(canned, i)
		}
		if f.name != "continuations" {
			canned.must(canned.WritePing(false, [8]byte{9}))
		} else {
			f.step(canned, most)
		}
		begun := processTime()
		_, _ = l.TCPConn.Write(wire.Bytes())
		for {
			got, err := l.ReadFrame()
			if p, ok := got.(*http2.PingFrame); err != nil || ok && p.Data[0] == 9 {
				break
			}
			if _, ok := got.(*http2.GoAwayFrame); ok {
				break
			}
		}
		least = min(least, float64(processTime()-begun)/float64(most))
		_ = l.TCPConn.Close()
	}
	return least
}

// A request whose handler does nothing takes some 3 µs, and one that the proxy serves
// more than ten times as much: twice the first leaves room for a busy machine.
func TestFloodsCostLessThanRequests(t *testing.T) {
	s := reading(t)
	request := priceOf(s, flood{"requests", nil, func(l *link, i uint32) { l.ask(2*i+1, true, plain...) }})
	for _, f := range floods {
		if got := priceOf(s, f); got > 2*request {
			t.Errorf("%s: %.0f ns each, and a request %.0f", f.name, got, request)
		}
	}
}

// deaf is a connection of a client that asks, and goes on talking once a response to it
// can't be written.
type deaf struct {
	recorded
	flood    io.Reader
	answered <-chan struct{}
	stuck    chan struct{}
	closed   chan struct{}
}

func (d *deaf) Read(p []byte) (int, error) {
	if n, err := d.said.Read(p); err == nil {
		return n, nil
	}
	<-d.stuck
	if n, err := d.flood.Read(p); err == nil {
		return n, nil
	}
	<-d.closed
	return 0, net.ErrClosed
}

func (d *deaf) Write(p []byte) (int, error) {
	select {
	case <-d.answered:
		close(d.stuck)
		<-d.closed
		return 0, net.ErrClosed
	default:
		return len(p), nil
	}
}

func (d *deaf) Close() error {
	select {
	case <-d.closed:
	default:
		close(d.closed)
	}
	return nil
}

// serveDeaf serves a client that asks for what the handler sends on stream 3, does not
// take it, and says something else then.
func serveDeaf(t *testing.T, flood func(l *link)) *conn {
	answered := make(chan struct{})
	s := newServer(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			<-r.Context().Done()
			return
		}
		close(answered)
		_, _ = w.Write(make([]byte, maxFrame))
		_ = http.NewResponseController(w).Flush()
	})
	var asked, more bytes.Buffer
	l := &link{Framer: http2.NewFramer(&asked, nil), t: t}
	l.encoder = hpack.NewEncoder(&l.block)
	asked.WriteString(http2.ClientPreface)
	l.must(l.WriteSettings())
	upload(l)
	l.ask(3, true, plain...)
	l.Framer = http2.NewFramer(&more, nil)
	flood(l)
	d := &deaf{recorded{said: &asked}, &more, answered, make(chan struct{}), make(chan struct{})}
	c := newConn(s, d)
	go c.Serve()
	synctest.Wait()
	return c
}

func TestWhoDoesNotListenIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serveDeaf(t, func(l *link) {
			for range 100 {
				for range maxFutile / 4 {
					ping(l, 0)
				}
				l.must(l.WriteData(1, false, []byte("x"))) // the pings seem to be worth their while
			}
		})
		c.out.mu.Lock()
		if waits := len(c.out.buf); waits < largeOut || waits > largeOut+2*readBuffer {
			t.Errorf("%d bytes wait for the client", waits)
		}
		c.out.mu.Unlock()
		c.Abort()
	})
}

func TestWhoDoesNotListenDelaysNoShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serveDeaf(t, func(l *link) {
			for id := uint32(5); id < maxFutile; id += 2 {
				l.ask(id, true, put("expect", "a refusal")...)
			}
		})
		if c.mu.TryLock() { // Retire needs nothing else
			c.mu.Unlock()
		} else {
			t.Error("the connection is locked while it waits for its client")
		}
		c.Abort()
	})
}

func TestHandlersCountUntilTheyReturn(t *testing.T) {
	asked, release := make(chan struct{}, 10*maxStreams), make(chan struct{})
	s := serve(t, false, func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	})
	l := s.dial()
	id := uint32(1)
	for range maxStreams {
		l.ask(id, true, plain...)
		<-asked
		l.must(l.WriteRSTStream(id, http2.ErrCodeCancel))
		id += 2
	}
	for range 3 {
		l.ask(id, true, plain...)
		if got := l.hear(id); !got.reset || got.code != http2.ErrCodeRefusedStream {
			t.Errorf("%+v", got)
		}
		id += 2
	}
	if len(asked) > 0 {
		t.Errorf("%d handlers too many", len(asked))
	}
	close(release)
	for {
		l.ask(id, true, plain...)
		if got := l.hear(id); got.status == "200" {
			return
		}
		id += 2
	}
}

func TestSettingsAreFew(t *testing.T) {
	s := serve(t, false, echo)
	l := s.dial(make([]http2.Setting, maxSettings)...)
	l.ping()
	l.must(l.WriteSettings(make([]http2.Setting, maxSettings+1)...))
	if got := l.hear(0); !got.away || got.code != http2.ErrCodeEnhanceYourCalm {
		t.Errorf("%+v", got)
	}
}

func TestAHeadIsBoundedDecompressed(t *testing.T) {
	s := serve(t, false, func(http.ResponseWriter, *http.Request) { t.Error("the handler was asked") })
	l := s.dial()
	block := l.encode(append(put(), "x", strings.Repeat("y", 4000))...)
	for range 10_000 {
		block = append(block, 0x80|62) // the last field again
	}
	l.must(l.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndStream: true, EndHeaders: true}))
	if got := l.hear(1); got.status != "431" {
		t.Errorf("%+v", got)
	}
}
