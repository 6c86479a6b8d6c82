package proxy

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
	_, err := io.ReadAll(bufio.NewReaderSize(&pacedBody{body: conn, conn: http.NewResponseController(conn), read: new(atomic.Int64)}, 2*minPace))
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
		if took := time.Since(begun); took > 2*paceWindow {
			t.Errorf("it took %v to notice", took)
		}
	})
}

func TestABodyThatComesSlowlyIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, err := paced(strings.Repeat("x", minPace), 20, paceWindow-time.Second)
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
		body := &pacedBody{body: conn, conn: http.NewResponseController(conn), read: new(atomic.Int64)}
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
