package h2

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"osp/go/serving"
)

var (
	errIdle    = errors.New("no request for a long time")
	errRetired = errors.New("the connection was to end after its last request")
)

// conn is one connection. What is not guarded by mu belongs to the goroutine that
// reads it, and out has a lock of its own.
type conn struct {
	server *Server
	net    net.Conn
	remote string
	tls    *tls.ConnectionState

	in      input
	framer  *http2.Framer // of what is read; DATA goes past it, to be copied once less
	decoder *hpack.Decoder
	head    head // the one that is being read
	futile  int  // frames since the last that a response owes something to
	out     output
	work    chan *stream // taken by a handler's goroutine that is waiting for it

	client atomic.Pointer[string] // whose requests these are, as a handler said last; nil: nobody knows

	mu            sync.Mutex
	streams       map[uint32]*stream // those that are open or half closed
	last          uint32             // the highest stream that is served; it stays once GOAWAY has named it
	seen          uint32             // the highest that the client has opened
	handlers      int                // that have not returned
	resting       bool               // a goroutine waits for work
	sendWindow    int64              // of the connection, as the client gives it
	initialWindow int64              // of each stream, likewise
	queue         []*stream          // wait for sendWindow, first come first served
	receiveWindow int64              // what the client may still send
	owed          int64              // what it may send in addition, but has not been told yet
	closed        [64]closedStream   // the last that were closed
	closedNext    int
	responded     bool      // since the last frame that came
	sent          int64     // of bodies, since that was last noted because of them
	retiring      bool      // it takes no requests any more
	idleSince     time.Time // counts while no handler runs
	over          bool
}

// closedStream is remembered because of frames that were under way when it ended.
type closedStream struct {
	id   uint32
	open bool  // for all that the client knew: frames may have been under way
	told bool  // it has been reset
	left int64 // of its body; -1: unknown
	room int64 // what the client may send of it
	sent int64 // the window for what was sent
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		server: s, net: nc, streams: make(map[uint32]*stream), idleSince: time.Now(),
		sendWindow: strangerWindow, initialWindow: strangerWindow, receiveWindow: connWindow,
	}
	if peer := nc.RemoteAddr(); peer != nil { // macOS may have none for a client that disconnected at once
		c.remote = peer.String()
	}
	if secure, ok := nc.(serving.Secure); ok {
		state := secure.ConnectionState()
		c.tls = &state
	}
	c.in = input{c: c, buf: make([]byte, readBuffer)}
	c.work = make(chan *stream)
	c.out.init(nc, s.WriteTimeout)
	c.framer = http2.NewFramer(io.Discard, &c.in)
	c.framer.SetMaxReadFrameSize(maxFrame)
	c.decoder = hpack.NewDecoder(tableSize, func(f hpack.HeaderField) {
		if !c.head.field(f) {
			c.decoder.SetEmitEnabled(false)
		}
	})
	c.decoder.SetMaxStringLength(s.MaxHeaderBytes)
	return c
}

// Serve implements serving.Conn.
func (c *conn) Serve() {
	defer c.close()
	defer c.recoverPanic()
	c.out.settings(c.server.MaxHeaderBytes)
	err := c.readPreface()
	if err == nil {
		err = c.readFrames()
	}
	var failed http2.ConnectionError
	switch {
	case errors.As(err, &failed):
	case errors.Is(err, http2.ErrFrameTooLarge):
		failed = http2.ConnectionError(http2.ErrCodeFrameSize)
	case err != errIdle && err != errRetired:
		return // the client has disconnected, or its time is up
	}
	c.cancelStreams()
	if err != errRetired {
		c.sayGoodbye(http2.ErrCode(failed))
	}
	c.out.drain()
	serving.Linger(c.net)
}

// sayGoodbye tells the client which requests are not served.
func (c *conn) sayGoodbye(code http2.ErrCode) {
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	c.out.goAway(last, code)
	c.out.flush()
}

// recoverPanic confines a panic to its connection. serve recovers those of handlers;
// this is for what reads and writes frames.
func (c *conn) recoverPanic() {
	if v := recover(); v != nil {
		serving.LogPanic(c.server.Log, "serving a connection", v)
		_ = serving.Raw(c.net).Close() // without TLS's close_notify, which would mean a clean end
	}
}

func (c *conn) close() {
	c.cancelStreams()
	c.out.close()
	_ = c.net.Close() // perhaps for the second time
}

// cancelStreams ends what is in progress.
func (c *conn) cancelStreams() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.over = true
		close(c.work)
	}
	for _, s := range c.streams {
		c.forget(s, errClosed)
	}
}

// Retire implements serving.Conn.
func (c *conn) Retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takeNoMore()
	c.endIfRetired()
	go c.out.flush()
}

// takeNoMore tells the client which of its requests is the last. The caller holds c.mu.
func (c *conn) takeNoMore() {
	if !c.retiring && !c.over {
		c.retiring = true
		c.out.goAway(c.last, http2.ErrCodeNo)
	}
}

// endIfRetired has the reader end once the last request has. The caller holds c.mu.
func (c *conn) endIfRetired() {
	if c.retiring && c.handlers == 0 {
		_ = c.net.SetReadDeadline(time.Unix(1, 0))
	}
}

// Abort implements serving.Conn.
func (c *conn) Abort() {
	_ = serving.Raw(c.net).Close()
	c.cancelStreams()
}

// TurnsOf implements serving.Client.
func (c *conn) TurnsOf() string {
	client := ""
	if last := c.client.Load(); last != nil {
		client = *last
	}
	return serving.TurnsOf(client, c.remote)
}

// idleTime returns how long the connection may still go without a request, or why it
// may not.
func (c *conn) idleTime() (time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.handlers > 0:
		return c.server.IdleTimeout, nil
	case c.retiring:
		return 0, errRetired
	}
	left := time.Until(c.idleSince.Add(c.server.IdleTimeout))
	if left <= 0 {
		return 0, errIdle
	}
	return left, nil
}

func (c *conn) readPreface() error {
	c.in.begun = true
	c.in.hurrying = true
	c.in.arm(c.server.ReadHeaderTimeout)
	var preface [len(http2.ClientPreface)]byte
	if _, err := io.ReadFull(&c.in, preface[:]); err != nil {
		return err
	}
	if string(preface[:]) != http2.ClientPreface {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	h, err := c.framer.ReadFrameHeader()
	if err != nil {
		return err
	}
	if h.Type != http2.FrameSettings || h.Flags.Has(http2.FlagSettingsAck) {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if err := c.readFrame(h); err != nil {
		return err
	}
	c.in.endFrame()
	return nil
}

// readFrames reads until the connection ends.
func (c *conn) readFrames() error {
	for {
		h, err := c.framer.ReadFrameHeader()
		if err == nil {
			err = c.readFrame(h)
		}
		if failed := (http2.StreamError{}); errors.As(err, &failed) {
			err = c.reset(failed.StreamID, failed.Code)
		}
		if err != nil {
			return err
		}
		c.in.endFrame()
		if err := c.judge(); err != nil {
			return err
		}
	}
}

// judge counts frames that come to nothing.
func (c *conn) judge() error {
	if c.futile++; c.futile < maxFutile/2 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.responded {
		c.responded, c.futile = false, 0
	}
	if c.futile > maxFutile {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	return nil
}
