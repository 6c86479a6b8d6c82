package shared

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/valkey-io/valkey-go"
)

// BenchmarkGeneration is what a warm request pays for each cache that it looks into.
func BenchmarkGeneration(b *testing.B) {
	l := newLease()
	l.renew(time.Now().Add(time.Hour))
	b.ReportAllocs()
	for b.Loop() {
		if l.Generation() == 0 {
			b.Fatal("no lease")
		}
	}
}

// These measure what an operation costs the server, by its process's CPU clock,
// and the replica, with many in flight, as in a fleet under load. tests/bench/fleet.py
// reckons with the server's part.

// workers is how many requests of a replica look for answers at once.
const workers = 64

func BenchmarkSharedAnswer(b *testing.B) {
	f := newFleet(b, newServer(b))
	r := f.replica()
	if _, err := r.get(context.Background(), "t", "b"); err != nil {
		b.Fatal(err)
	}
	item := r.keys(r.at.Load().log, itemOf("t", "b"))
	f.measure(b, func(int) error {
		_, err := r.take(item)
		return err
	})
}

func BenchmarkFirstAnswer(b *testing.B) {
	f := newFleet(b, newServer(b))
	r := f.replica()
	f.measure(b, func(i int) error {
		_, err := r.get(context.Background(), strconv.Itoa(i), "b")
		return err
	})
}

func BenchmarkUse(b *testing.B) {
	f := newFleet(b, newServer(b))
	r := f.replica()
	end := time.Now().Add(time.Hour)
	f.measure(b, func(i int) error {
		_, err := r.Use(context.Background(), strconv.Itoa(i%1000), 1<<30, end)
		return err
	})
}

// A fleet's size matters little: two members of sorted sets are written.
func BenchmarkHeartbeat(b *testing.B) {
	for _, replicas := range []int{10, 1000} {
		b.Run(fmt.Sprintf("replicas=%d", replicas), func(b *testing.B) {
			f := newFleet(b, newServer(b))
			r := f.replica()
			at := *r.at.Load()
			ids := make([]string, replicas)
			for i := range ids {
				ids[i] = newID()
			}
			client := f.server.client()
			f.measure(b, func(i int) error {
				keys := []string{r.key("head"), r.logKey(at.log, "log"), r.logKey(at.log, "applied"), r.logKey(at.log, "heard")}
				return beat.Exec(context.Background(), client, keys,
					append(at.args(), ids[i%replicas], milliseconds(silence), milliseconds(keepKeys), strconv.Itoa(sentEntries), strconv.Itoa(sentBytes),
						strconv.Itoa(keepLog), "0", milliseconds(heardWithin))).Error()
			})
		})
	}
}

// take looks for an answer as one whose cache does not have it.
func (r *replica) take(k keys) (valkey.ValkeyMessage, error) {
	return r.run(context.Background(), take, k.all(), append(r.at.Load().args(),
		newID(), milliseconds(holdFor), newID(), milliseconds(scopeFor), strconv.Itoa(maxSealed), r.marks[0])...)
}

// measure does something b.N times and reports the CPU of the server and of this process.
func (f *fleet) measure(b *testing.B, do func(i int) error) {
	var next atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	server, here := cpuOf(b, f.server.cmd.Process.Pid), cpuOf(b, syscall.Getpid())
	for range workers {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := do(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	each := func(before time.Duration, pid int) float64 {
		return float64((cpuOf(b, pid) - before).Nanoseconds()) / 1e3 / float64(b.N)
	}
	b.ReportMetric(each(server, f.server.cmd.Process.Pid), "server-µs/op")
	b.ReportMetric(each(here, syscall.Getpid()), "replica-µs/op")
}

// cpuOf is the CPU clock of a process (clock_getcpuclockid(3)).
func cpuOf(b *testing.B, pid int) time.Duration {
	const scheduler = 2
	var t syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(^pid<<3|scheduler), uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		b.Fatal(errno)
	}
	return time.Duration(t.Nano())
}
