package pipeline

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
)

// slowConn is a connection over which a body comes in pieces, one each pause.
// It knows read deadlines, as the connections of net/http do.
type slowConn struct {
	http.ResponseWriter
	pieces   []string
	pause    time.Duration
	deadline time.Time
}

func (c *slowConn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

func (c *slowConn) Read(p []byte) (int, error) {
	if left := time.Until(c.deadline); c.pause > left {
		time.Sleep(left)
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(c.pause)
	if len(c.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.pieces[0])
	c.pieces = c.pieces[1:]
	return n, nil // a piece is never longer than p
}

func paced(piece string, count int, pause time.Duration) (*slowConn, error) {
	conn := &slowConn{pause: pause}
	for range count {
		conn.pieces = append(conn.pieces, piece)
	}
	_, err := io.ReadAll(bufio.NewReaderSize(&clientBody{body: conn, conn: http.NewResponseController(conn), read: new(atomic.Int64)}, 2*minRate))
	return conn, err
}

func TestABodyThatStallsOrTricklesTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, err := paced("x", 10, time.Hour); !errors.Is(err, s3err.RequestTimeout) {
			t.Errorf("one that stalls: %v", err)
		}
		begun := time.Now()
		if _, err := paced("x", 1000, time.Second); !errors.Is(err, s3err.RequestTimeout) {
			t.Errorf("one that trickles: %v", err)
		}
		if took := time.Since(begun); took > 2*rateWindow {
			t.Errorf("it took %v to notice", took)
		}
	})
}

func TestABodyThatComesSlowlyIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, err := paced(strings.Repeat("x", minRate), 20, rateWindow-time.Second)
		if err != nil {
			t.Error(err)
		}
		if !conn.deadline.IsZero() {
			t.Error("a deadline is left standing after the end")
		}
	})
}

func TestAStoreThatIsSlowIsNotTheClientsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := &slowConn{pieces: []string{"a", "b", "c"}}
		body := &clientBody{body: conn, conn: http.NewResponseController(conn), read: new(atomic.Int64)}
		for range 3 {
			if _, err := body.Read(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if _, err := body.Read(make([]byte, 10)); err != io.EOF {
			t.Error(err)
		}
	})
}

// outlived is a connection whose handler returns while its body is being read.
type outlived struct {
	http.ResponseWriter
	returned chan struct{}
	asked    chan struct{} // closed when the body was asked for more afterwards
	late     atomic.Bool   // a deadline was set afterwards
	reads    int
}

func (c *outlived) SetReadDeadline(time.Time) error {
	select {
	case <-c.returned:
		c.late.Store(true)
	default:
	}
	return nil
}

func (c *outlived) Read(p []byte) (int, error) {
	if c.reads += len(p); c.reads < 150_000 { // what the first write to the store takes
		return len(p), nil
	}
	<-c.returned
	if c.reads < 2<<20 {
		c.reads = 2 << 20
		return 1, nil
	}
	close(c.asked)
	return 0, io.ErrUnexpectedEOF
}

func (c *outlived) Close() error { return nil }

func TestAnUploadLeavesTheConnectionAloneOnceItWasAnswered(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.Store.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusConflict) })
	req := r.Signed("PUT", "/photos/k", "", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	c := &outlived{ResponseWriter: httptest.NewRecorder(), returned: make(chan struct{}), asked: make(chan struct{})}
	req.RequestURI, req.Body, req.ContentLength = req.URL.Path, c, 8<<20
	r.pipeline.Handler("https").ServeHTTP(c, req)
	close(c.returned)
	<-c.asked
	if c.late.Load() {
		t.Error("it set a deadline that is another request's by then")
	}
}
