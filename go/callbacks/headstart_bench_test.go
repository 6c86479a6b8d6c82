package callbacks

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// interpreter is like Python's lock: callbacks hold it for as long as they compute,
// each in a thread of its own, and a thread that gives it up hands it over to one
// that waits, which the system has to wake for that.
type interpreter struct{ lock chan struct{} }

// Do implements Call.
func (i interpreter) Do(context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	i.lock <- struct{}{}
	for end := time.Now().Add(15 * time.Microsecond); time.Now().Before(end); {
	}
	<-i.lock
	return nil
}

func (interpreter) Name() string   { return "" }
func (interpreter) Answer() any    { return nil }
func (interpreter) crowd() crowd   { return known }
func (interpreter) client() string { return "" }
func (interpreter) take(Call)      {}

// BenchmarkHeadStart shows what the head start brings to 32 clients with a question
// each: questions per second and CPU of one, by those of a gate that lets all begin
// at once. Runs alternate.
func BenchmarkHeadStart(b *testing.B) {
	const concurrency, askers, questions = 32, 32, 200
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4)) // callbacks are threads of C, beside Go's
	var rates, cpus []float64
	for b.Loop() {
		with, withCPU := asked(b, gateOf(concurrency, headStart), askers, questions)
		without, withoutCPU := asked(b, gateOf(concurrency, 0), askers, questions)
		rates = append(rates, without.Seconds()/with.Seconds())
		cpus = append(cpus, withCPU.Seconds()/withoutCPU.Seconds())
	}
	slices.Sort(rates)
	slices.Sort(cpus)
	b.ReportMetric(rates[len(rates)/2], "rate/without")
	b.ReportMetric(cpus[len(cpus)/2], "cpu/without")
	b.ReportMetric(0, "ns/op")
}

// gateOf is a gate with a head start of that time.
func gateOf(concurrency int, alone time.Duration) *gate {
	g := newGate(concurrency, concurrency, time.Minute)
	g.alone = alone
	return g
}

// asked is how long the questions took, and their CPU.
func asked(b *testing.B, g *gate, askers, questions int) (took, cpu time.Duration) {
	python := interpreter{make(chan struct{}, 1)}
	begun, before := time.Now(), used(b)
	var wait sync.WaitGroup
	for range askers {
		wait.Go(func() {
			for range questions {
				if err := g.intercept(b.Context(), python); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wait.Wait()
	return time.Since(begun), used(b) - before
}

// used is the CPU time of this process.
func used(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
