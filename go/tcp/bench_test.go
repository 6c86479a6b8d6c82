package tcp

import (
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkSparseRequests shows what Conn brings to a server that has little to do:
// CPU for each of 500 messages a second that are sent back, both ends in this
// process, by that with package net. Runs alternate.
func BenchmarkSparseRequests(b *testing.B) {
	var ratios, took []float64
	for b.Loop() {
		here, there := pair(b)
		wrapped := echoes(b, here, New(there))
		here, there = pair(b)
		plain := echoes(b, here.TCPConn, there)
		took = append(took, wrapped)
		ratios = append(ratios, wrapped/plain)
	}
	slices.Sort(took)
	slices.Sort(ratios)
	b.ReportMetric(took[len(took)/2], "cpu-µs")
	b.ReportMetric(ratios[len(ratios)/2], "cpu/net")
	b.ReportMetric(0, "ns/op")
}

// echoes is the CPU of one message in microseconds.
func echoes(b *testing.B, server, client net.Conn) float64 {
	const messages = 250
	go func() {
		block := make([]byte, 1<<10)
		for {
			n, err := server.Read(block)
			if err != nil {
				return
			}
			_, _ = server.Write(block[:n])
		}
	}()
	block := make([]byte, 1<<10)
	before := used(b)
	for range messages {
		_, _ = client.Write(block)
		if _, err := io.ReadFull(client, block); err != nil {
			b.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	after := used(b)
	_ = client.Close()
	return float64((after - before).Microseconds()) / messages
}

// used is the CPU time of this process.
func used(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
