package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/cpu"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
)

// BenchmarkServer measures what a warm GET of 1 KiB costs, from the client's
// socket on. Client and store are loops over canned bytes, so that profiles show
// the proxy. Package pipeline has benchmarks of its parts.
func BenchmarkServer(b *testing.B) {
	allow := func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: true}, nil
	}
	r := start(b, callbacks.Set{Validator: allow}, pipelinetest.Canned(b))
	wire := r.Wire()
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.server.HTTPPort()))
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for pb.Next() {
			if err := clientLoop(conn, in, wire); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// clientLoop sends a request and reads its answer, of which it looks at no
// more than it has to.
func clientLoop(conn net.Conn, in *bufio.Reader, wire []byte) error {
	if _, err := conn.Write(wire); err != nil {
		return err
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == len("\r\n") {
			break
		}
	}
	_, err := in.Discard(pipelinetest.ObjectSize)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// BenchmarkInCommon is what a warm request writes to memory that all requests write
// to: eight times, in four cache lines (docs/scaling.md). With -cpu 1,2 it says what
// processors lose by taking these from each other.
func BenchmarkInCommon(b *testing.B) {
	var lines [4]struct {
		_ cpu.CacheLinePad
		n atomic.Int64
		_ cpu.CacheLinePad
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			for i := range lines {
				lines[i].n.Add(1)
			}
			for i := range lines {
				lines[i].n.Add(-1)
			}
		}
	})
}

// BenchmarkOwnLock is a lock that nobody else wants, as those of a connection are.
func BenchmarkOwnLock(b *testing.B) {
	b.RunParallel(func(pb *testing.PB) {
		var mu sync.Mutex
		n := 0
		for pb.Next() {
			mu.Lock()
			n++
			mu.Unlock()
		}
	})
}
