package accesslog

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"osp/go/logs"
	"osp/go/observe"
)

var request = observe.Exchange{
	Begun: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), RequestID: "ID", Scheme: "https", Proto: "HTTP/1.1", Method: "GET",
	Path: "/photos/a%20b", Referer: "https://example.com/page", UserAgent: "agent/1", Client: "192.0.2.7", AccessKey: "AKIAEXAMPLE",
	Presigned: true, Operation: "GetObject", Bucket: "photos", Entry: "photos", Key: "a b", Status: 206, BytesIn: 1, BytesOut: 2,
	Total: 1500 * time.Microsecond, Upstream: time.Millisecond, Callback: 2 * time.Microsecond,
}

// lineLog collects what a Log says about itself.
func lineLog() (*slog.Logger, *safeBuffer) {
	out := new(safeBuffer)
	return slog.New(slog.NewTextHandler(out, nil)), out
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func opened(t *testing.T, target string, format Format, log *slog.Logger) *Log {
	t.Helper()
	l := New(target, format, log)
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	return l
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLinesGoToTheFileInTheirOrder(t *testing.T) {
	log, said := lineLog()
	path := filepath.Join(t.TempDir(), "access.log")
	l := opened(t, path, JSON, log)
	for i := range 1000 {
		x := request
		x.Status = i
		l.Ended(&x)
	}
	l.Close()
	lines := strings.Split(strings.TrimSuffix(read(t, path), "\n"), "\n")
	if len(lines) != 1000 || l.Dropped() != 0 || said.String() != "" {
		t.Fatalf("%d lines, %d dropped, %s", len(lines), l.Dropped(), said)
	}
	for i, line := range lines {
		var got struct{ Status int }
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.Status != i {
			t.Fatalf("line %d: %v %s", i, err, line)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("everybody may read it: %v, %v", info.Mode(), err)
	}
	l.Ended(&request)
	if l.Dropped() != 1 {
		t.Error("a line after the end is not counted")
	}
}

func TestAFileThatWasMovedIsLeftByReopen(t *testing.T) {
	log, _ := lineLog()
	dir := t.TempDir()
	path, moved := filepath.Join(dir, "access.log"), filepath.Join(dir, "access.log.1")
	l := opened(t, path, Logfmt, log)
	x := request
	x.RequestID = "BEFORE"
	l.Ended(&x)
	wait(t, func() bool { return strings.Contains(read(t, path), "BEFORE") })
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	x.RequestID = "AFTER"
	l.Ended(&x)
	l.Close()
	if strings.Contains(read(t, moved), "AFTER") || !strings.Contains(read(t, path), "AFTER") {
		t.Errorf("moved: %s\nnew: %s", read(t, moved), read(t, path))
	}
}

func TestAReopenThatFailsKeepsTheOldFile(t *testing.T) {
	log, _ := lineLog()
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	l := opened(t, filepath.Join(dir, "access.log"), JSON, log)
	moved := dir + ".moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	l.Ended(&request)
	l.Close()
	if !strings.Contains(read(t, filepath.Join(moved, "access.log")), `"request_id":"ID"`) {
		t.Error("the line is lost")
	}
}

func TestWhatCantBeOpenedIsAnErrorOfTheSystem(t *testing.T) {
	log, _ := lineLog()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]error{"/nowhere/access.log": syscall.ENOENT, t.TempDir(): syscall.EISDIR, pipe: syscall.ENXIO} {
		l := New(target, JSON, log)
		if err := l.Open(); !errors.Is(err, want) {
			t.Errorf("%s: %v", target, err)
		}
		l.Close()
	}
}

// faulty fails from the byte full on, until it is emptied.
type faulty struct {
	bytes.Buffer
	full int
}

func (f *faulty) Write(p []byte) (int, error) {
	if room := f.full - f.Len(); len(p) > room {
		n, _ := f.Buffer.Write(p[:max(room, 0)])
		return n, syscall.ENOSPC
	}
	return f.Buffer.Write(p)
}

func TestAFullDiskLosesLinesAndNothingElse(t *testing.T) {
	log, said := lineLog()
	disk := &faulty{full: 250}
	l := New("unused", JSON, log)
	l.out = disk
	hundred := []byte(strings.Repeat("x", 99) + "\n")
	for range 6 { // two fit; the third is torn
		l.write(hundred)
	}
	if l.Dropped() != 4 || strings.Count(said.String(), "can't be written") != 1 {
		t.Errorf("%d dropped; said %s", l.Dropped(), said)
	}
	disk.full = 1000
	l.write(hundred)
	l.write(hundred)
	lines := strings.Split(strings.TrimSuffix(disk.String(), "\n"), "\n")
	if len(lines) != 5 || len(lines[2]) != 50 || len(lines[3]) != 99 || len(lines[4]) != 99 {
		t.Errorf("the torn line is not alone on its own: %q", lines)
	}
	if l.Dropped() != 4 || strings.Count(said.String(), "written again") != 1 {
		t.Errorf("%d dropped; said %s", l.Dropped(), said)
	}
}

func TestADiskThatIsFullAgainAndAgainIsNotSaidEachTime(t *testing.T) {
	log, said := lineLog()
	disk := &faulty{}
	l := New("unused", JSON, log)
	l.out = disk
	line := []byte("x\n")
	for range 10 {
		l.write(line) // lost
		disk.full += len(line)
		l.write(line)
	}
	if text := said.String(); l.Dropped() != 10 || strings.Count(text, "can't be written") != 1 || strings.Count(text, "written again") != 1 {
		t.Errorf("%d dropped; said %s", l.Dropped(), text)
	}
}

func TestADeviceThatIsFullLeavesNoRequestWaiting(t *testing.T) {
	log, said := lineLog()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	l := opened(t, "/dev/full", JSON, log)
	for range 5000 {
		l.Ended(&request)
	}
	l.Close()
	if l.Dropped() != 5000 || strings.Count(said.String(), "no space left") != 1 {
		t.Errorf("%d dropped; said %s", l.Dropped(), said)
	}
}

func TestAReaderThatSleepsFillsTheQueueAndNoMore(t *testing.T) {
	log, _ := lineLog()
	l := New("unused", JSON, log)
	release := make(chan struct{})
	var wrote atomic.Int64
	l.out = writerFunc(func(p []byte) (int, error) {
		<-release
		wrote.Add(int64(bytes.Count(p, []byte{'\n'})))
		return len(p), nil
	})
	l.ended = make(chan struct{})
	go l.run(l.ended)
	const many = 30_000 // more than the queue and what is being written hold
	for range many {
		l.Ended(&request) // would never return if it waited
	}
	if l.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
	close(release)
	l.Close()
	if got := wrote.Load() + int64(l.Dropped()); got != many {
		t.Errorf("%d of %d lines are accounted for", got, many)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestPythonGetsTheLineAndItsFields(t *testing.T) {
	ring := logs.NewRing(1 << 16)
	l := opened(t, Python, Combined, logs.New(ring, slog.LevelInfo))
	x := request
	l.Ended(&x)
	var got struct{ Lines []map[string]any }
	if err := json.Unmarshal(ring.Next(0), &got); err != nil || len(got.Lines) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	line := got.Lines[0]
	if line["logger"] != "access" || line["level"] != 20.0 || line["key"] != "a%20b" || !strings.HasPrefix(line["msg"].(string), "192.0.2.7 - AKIA") {
		t.Errorf("%v", line)
	}
	for range 1000 {
		l.Ended(&x)
	}
	if l.Dropped() == 0 {
		t.Error("the ring is full, and nothing was counted")
	}
	l.Close()
}

func wait(t *testing.T, look func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !look() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
		time.Sleep(time.Millisecond)
	}
}

func BenchmarkEnded(b *testing.B) {
	for _, format := range []Format{JSON, Logfmt, Combined} {
		b.Run(string(format), func(b *testing.B) {
			l := New("unused", format, slog.New(slog.DiscardHandler))
			l.out = writerFunc(func(p []byte) (int, error) { return len(p), nil })
			l.ended = make(chan struct{})
			go l.run(l.ended)
			b.ReportAllocs()
			for b.Loop() {
				l.Ended(&request)
			}
			l.Close()
		})
	}
}
