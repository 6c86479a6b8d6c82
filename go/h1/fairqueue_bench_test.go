package h1

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"osp/go/serving"
)

// BenchmarkFairQueue shows what the queue brings to a server on one processor with
// more to do than it can: the slowest hundredth of requests with it, by that
// without it, in runs that alternate. Clients and store are another process, since
// their goroutines must not be the server's scheduler's. A request costs about what
// a small GET costs the proxy.
func BenchmarkFairQueue(b *testing.B) {
	for _, connections := range []int{32, 512} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			store := newOthers(b, "store").says()
			idle := make(chan *bufio.ReadWriter, connections)
			for range connections {
				c, err := net.Dial("tcp", store)
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = c.Close() })
				idle <- bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriterSize(c, 0))
			}
			handler := func(w http.ResponseWriter, _ *http.Request) {
				block := make([]byte, 1<<10)
				for range 24 { // tens of microseconds, as verifying and signing take
					sum := sha256.Sum256(block)
					copy(block, sum[:])
				}
				c := <-idle
				_, _ = c.Write(block)
				_ = c.Flush()
				_, _ = io.ReadFull(c, block)
				idle <- c
				_, _ = w.Write(block)
			}
			var p99, p50, rate [2][]float64 // with the queue, without it
			for b.Loop() {
				for i, queued := range []bool{true, false} {
					seen := measured(b, handler, connections, queued)
					for n, of := range []*[2][]float64{&p50, &p99, &rate} {
						of[i] = append(of[i], seen[n])
					}
				}
			}
			b.ReportMetric(median(p50[0]), "p50-µs")
			b.ReportMetric(median(p99[0]), "p99-µs")
			b.ReportMetric(ratio(p99), "p99/without")
			b.ReportMetric(ratio(p50), "p50/without")
			b.ReportMetric(ratio(rate), "rate/without")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// ratio is the median of the ratios of each pair of runs.
func ratio(of [2][]float64) float64 {
	var ratios []float64
	for i := range of[0] {
		ratios = append(ratios, of[0][i]/of[1][i])
	}
	return median(ratios)
}

// measured is the median and the 99th percentile of latency, in microseconds, and
// requests per second.
func measured(b *testing.B, handler http.HandlerFunc, connections int, queued bool) [3]float64 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &Server{Handler: handler, ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10, Log: slog.New(slog.DiscardHandler)}
	if queued {
		queue := new(serving.FairQueue)
		queue.Start()
		defer queue.Stop()
		s.Queue = queue
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	clients := newOthers(b, "clients", l.Addr().String(), strconv.Itoa(connections))
	var seen [3]float64
	if _, err := fmt.Sscan(clients.says(), &seen[0], &seen[1], &seen[2]); err != nil {
		b.Fatal(err)
	}
	_ = s.Close()
	<-ended
	return seen
}

// others is a process with one of the parts that TestMain plays.
type others struct {
	b   *testing.B
	out *bufio.Scanner
}

func newOthers(b *testing.B, part ...string) others {
	cmd := exec.Command(os.Args[0], part...)
	cmd.Env = append(os.Environ(), "H1_PART=1", "GOMAXPROCS=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	in, err := cmd.StdinPipe() // ends the process when it is closed
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return others{b, bufio.NewScanner(out)}
}

// says waits for a line.
func (o others) says() string {
	if !o.out.Scan() {
		o.b.Fatal("the other process ended")
	}
	return o.out.Text()
}

func TestMain(m *testing.M) {
	switch {
	case os.Getenv("H1_PART") == "":
		os.Exit(m.Run())
	case os.Args[1] == "store":
		playStore()
	default:
		connections, _ := strconv.Atoi(os.Args[3])
		playClients(os.Args[2], connections)
	}
}

// playStore says back what it hears, in blocks, until its standard input ends.
func playStore() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				panic(err)
			}
			go func() {
				for block := make([]byte, 1<<10); ; {
					if _, err := io.ReadFull(c, block); err != nil {
						return
					}
					_, _ = c.Write(block)
				}
			}()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// playClients asks again as soon as there is an answer, and says what measured returns.
func playClients(address string, connections int) {
	const warmUp, length = 200 * time.Millisecond, 800 * time.Millisecond
	var mu sync.Mutex
	var all []float64
	var wait sync.WaitGroup
	begun := time.Now()
	for range connections {
		c, err := net.Dial("tcp", address)
		if err != nil {
			panic(err)
		}
		wait.Go(func() {
			var took []float64
			answer := make([]byte, 4<<10)
			for {
				asked := time.Now()
				if asked.Sub(begun) > warmUp+length {
					break
				}
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				if _, err := c.Read(answer); err != nil { // it comes in one piece
					panic(err)
				}
				if asked.Sub(begun) > warmUp {
					took = append(took, float64(time.Since(asked).Microseconds()))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	wait.Wait()
	slices.Sort(all)
	fmt.Println(all[len(all)/2], all[len(all)*99/100], float64(len(all))/length.Seconds())
}
