package h2

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

func TestAClientsWindowsAreKept(t *testing.T) {
	const size = 300_000
	s := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = w.Write(bytes.Repeat([]byte("x"), size))
	})
	l := s.dial(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	l.ask(1, true, plain...)
	got := 0
	receive := func(want int) {
		t.Helper()
		for got < want {
			l.await(func(f http2.Frame) bool {
				d, ok := f.(*http2.DataFrame)
				if ok {
					got += len(d.Data())
				}
				return ok
			})
		}
		l.ping() // nothing comes before its acknowledgement
		if got != want {
			t.Fatalf("%d bytes came, the window has %d", got, want)
		}
	}
	receive(1000)
	l.must(l.WriteWindowUpdate(1, 500))
	receive(1500)
	l.must(l.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 200})) // the window is negative now
	l.must(l.WriteWindowUpdate(1, 800))
	l.ping()
	l.must(l.WriteWindowUpdate(1, 1))
	receive(1501)
	l.must(l.WriteWindowUpdate(1, size))
	receive(65_535) // the connection's
	l.must(l.WriteWindowUpdate(0, size))
	if rest := l.hear(1); !rest.ended || got+len(rest.body) != size {
		t.Errorf("%d bytes came", got+len(rest.body))
	}
}

func TestALongResponseTakesAsManyWindowsAsItNeeds(t *testing.T) {
	const window = 1000
	s := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		part := make([]byte, window)
		for range 3 * maxFutile {
			if _, err := w.Write(part); err != nil {
				t.Errorf("the handler got %v", err)
				return
			}
		}
	})
	l := s.dial(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	l.ask(1, true, plain...)
	for got, ended := 0, false; !ended; {
		l.await(func(f http2.Frame) bool {
			d, ok := f.(*http2.DataFrame)
			if ok {
				got, ended = got+len(d.Data()), d.StreamEnded()
			}
			return ok && got >= window || ended
		})
		got -= window
		l.must(l.WriteWindowUpdate(0, window))
		l.must(l.WriteWindowUpdate(1, window))
	}
}

func TestAResponseIsNotSentByteByByte(t *testing.T) {
	s := serve(t, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	l := s.dial(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	l.ask(1, true, plain...)
	for n, away := 0, false; !away; n++ {
		if n > 2*maxFutile {
			t.Fatalf("%d bytes came one by one", n)
		}
		l.must(l.WriteWindowUpdate(1, 1))
		l.await(func(f http2.Frame) bool {
			_, came := f.(*http2.DataFrame)
			_, away = f.(*http2.GoAwayFrame)
			return came || away
		})
	}
}

func TestARefusalKeepsAClientsWindows(t *testing.T) {
	s := serve(t, false, func(http.ResponseWriter, *http.Request) { t.Error("the handler was asked") })
	l := s.dial(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	l.ask(1, true, put("expect", "more")...)
	l.await(func(f http2.Frame) bool {
		h, ok := f.(*http2.HeadersFrame)
		if ok && h.StreamEnded() {
			t.Error("it has no body")
		}
		return ok
	})
	l.must(l.WritePing(false, [8]byte{1}))
	l.await(func(f http2.Frame) bool {
		if _, ok := f.(*http2.DataFrame); ok {
			t.Error("a body came without a window")
		}
		_, ok := f.(*http2.PingFrame)
		return ok
	})
	l.must(l.WriteWindowUpdate(1, 1000))
	if got := l.hear(1); !got.ended || string(got.body) != http.StatusText(http.StatusExpectationFailed) {
		t.Errorf("%+v", got)
	}
	l.ask(3, true, ":method", "HEAD", ":scheme", "https", ":authority", "a", ":path", "/", "expect", "more")
	if got := l.hear(3); got.status != "417" || !got.ended || len(got.body) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestStreamsShareTheConnectionsWindow(t *testing.T) {
	s := serve(t, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 10<<20)) })
	l := s.dial(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	const streams = 5
	got := make(map[uint32]int)
	l.ask(1, true, plain...)
	receive := func(n int) {
		for n > 0 {
			l.await(func(f http2.Frame) bool {
				d, ok := f.(*http2.DataFrame)
				if ok {
					n -= len(d.Data())
					got[f.Header().StreamID] += len(d.Data())
				}
				return ok
			})
		}
	}
	receive(65_535) // one has it all
	for i := uint32(3); i < 2*streams; i += 2 {
		l.ask(i, true, plain...)
		l.await(func(f http2.Frame) bool { // it waits for the window, then
			h, ok := f.(*http2.HeadersFrame)
			return ok && h.StreamID == i
		})
	}
	for range 20 {
		l.must(l.WriteWindowUpdate(0, streams*writePart))
		receive(streams * writePart)
	}
	for i := uint32(1); i < 2*streams; i += 2 {
		if got[i] < 5*writePart { // of twenty
			t.Errorf("stream %d got %d bytes, others %v", i, got[i], got)
		}
	}
}

func TestAStalledResponseEnds(t *testing.T) {
	failed := make(chan error, 1)
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			return
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := w.Write(make([]byte, 1<<20))
		<-r.Context().Done()
		failed <- err
	})
	l := s.dial()
	l.ask(1, true, plain...)
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handler got %v", err)
	}
	if got := l.hear(1); got.code != http2.ErrCodeCancel {
		t.Errorf("%+v", got)
	}
	l.ask(3, true, put()...)
	if got := l.hear(3); got.status != "200" {
		t.Errorf("another request: %+v", got)
	}
}

func TestABodyThatStallsEndsWithADeadline(t *testing.T) {
	failed := make(chan error, 1)
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		for range 3 { // it may be moved
			_ = control.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		}
		_, err := io.ReadAll(r.Body)
		failed <- err
	})
	l := s.dial()
	l.ask(1, false, put()...)
	l.must(l.WriteData(1, false, []byte("begins")))
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handler got %v", err)
	}
	if got := l.hear(1); got.status != "200" {
		t.Errorf("%+v", got)
	}
}

// granted returns how many bytes a client may send, for a stream and for all of
// them, until it hears that a ping has been received.
func (l *link) granted(stream uint32) (one, all int) {
	l.must(l.WritePing(false, [8]byte{2}))
	l.await(func(f http2.Frame) bool {
		if u, ok := f.(*http2.WindowUpdateFrame); ok && u.StreamID == 0 {
			all += int(u.Increment)
		} else if ok && u.StreamID == stream {
			one += int(u.Increment)
		}
		p, ok := f.(*http2.PingFrame)
		return ok && p.IsAck()
	})
	return one, all
}

func TestABodyThatNobodyReadsTakesLittle(t *testing.T) {
	read, release := make(chan struct{}), make(chan struct{})
	s := serve(t, false, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
			return
		}
		_, err := io.CopyN(io.Discard, r.Body, 1<<20)
		if err != nil {
			t.Error(err)
		}
		read <- struct{}{}
	})
	l := s.dial()
	l.ask(1, false, ":method", "PUT", ":scheme", "https", ":authority", "a", ":path", "/slow")
	for sent := 0; sent < strangerWindow; {
		n := min(maxFrame, strangerWindow-sent)
		l.must(l.WriteData(1, false, make([]byte, n)))
		sent += n
	}
	if one, all := l.granted(1); one != 0 || all > connWindow {
		t.Errorf("may send %d more, in total %d", one, all)
	}
	l.ask(3, false, put()...) // the other's body is not in its way
	sent := 0
	for sent < 60_000 {
		l.must(l.WriteData(3, false, make([]byte, 10_000)))
		sent += 10_000
	}
	for sent < 1<<20 {
		l.await(func(f http2.Frame) bool {
			u, ok := f.(*http2.WindowUpdateFrame)
			return ok && u.StreamID == 3
		})
		for end := sent + bodyWindow/4; sent < end; sent += maxFrame {
			l.must(l.WriteData(3, false, make([]byte, maxFrame)))
		}
	}
	<-read
	l.must(l.WriteData(1, false, []byte{1})) // one too many
	if got := l.hear(1); got.code != http2.ErrCodeFlowControl {
		t.Errorf("%+v", got)
	}
	close(release)
}

func TestPaddingIsGivenBack(t *testing.T) {
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
	})
	for _, size := range []int{60_000, 2 << 20} { // the first is no more than a window, but for its padding
		l := s.dial()
		l.ask(1, false, put("content-length", strconv.Itoa(size))...)
		one, all := strangerWindow, strangerWindow
		for sent := 0; sent < size; {
			n := min(100, size-sent)
			whole := 1 + n + 255
			for one < whole || all < whole {
				l.await(func(f http2.Frame) bool {
					u, ok := f.(*http2.WindowUpdateFrame)
					if ok && u.StreamID == 0 {
						all += int(u.Increment)
					} else if ok {
						one += int(u.Increment)
					}
					return ok
				})
			}
			sent, one, all = sent+n, one-whole, all-whole
			l.must(l.WriteDataPadded(1, sent == size, make([]byte, n), make([]byte, 255)))
		}
		if got := l.hear(1); string(got.body) != strconv.Itoa(size) {
			t.Errorf("%d bytes: %+v", size, got)
		}
	}
}

func TestWhatIsSentToNobodyIsGivenBack(t *testing.T) {
	s := serve(t, false, func(http.ResponseWriter, *http.Request) {})
	l := s.dial()
	given := 0
	for i := uint32(1); i < 200; i += 2 {
		l.ask(i, false, put()...)
		l.must(l.WriteDataPadded(i, false, make([]byte, 10_000), make([]byte, 200)))
		l.must(l.WriteData(i, false, make([]byte, 10_000)))
		_, all := l.granted(i)
		given += all
	}
	if sent := 100 * 20_201; given < sent-connWindow/4 {
		t.Errorf("%d of %d bytes were given back", given, sent)
	}
}

func TestWindowsThatOverflowAreMistakes(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, false, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	l := s.dial()
	l.ask(1, true, plain...)
	l.must(l.WriteWindowUpdate(1, 1<<31-1))
	if got := l.hear(1); !got.reset || got.code != http2.ErrCodeFlowControl {
		t.Errorf("a stream's: %+v", got)
	}
	l.must(l.WriteWindowUpdate(0, 1<<31-1))
	if got := l.hear(0); !got.away || got.code != http2.ErrCodeFlowControl {
		t.Errorf("the connection's: %+v", got)
	}
	l = s.dial()
	l.ask(1, true, plain...)
	l.must(l.WriteWindowUpdate(1, 1<<30))
	l.must(l.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}))
	if got := l.hear(0); !got.away || got.code != http2.ErrCodeFlowControl {
		t.Errorf("by SETTINGS: %+v", got)
	}
}
