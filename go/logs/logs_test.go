package logs

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/secret"
)

type batch struct {
	Dropped int
	Lines   []map[string]any
}

func decode(t *testing.T, raw []byte) batch {
	t.Helper()
	var b batch
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return b
}

func TestARecordBecomesALineWithPythonsLevelAndTime(t *testing.T) {
	ring := NewRing(1 << 16)
	before := float64(time.Now().UnixMicro()) / 1e6
	New(ring, slog.LevelInfo).WithGroup("g").Warn("careful", "time", 7, "err", errors.New("x"), "key", secret.New("hunter2"))
	raw := ring.Next(0)
	if strings.Contains(string(raw), "hunter2") {
		t.Fatalf("a secret in the log: %s", raw)
	}
	line := decode(t, raw).Lines[0]
	if line["level"] != 30.0 || line["msg"] != "careful" {
		t.Errorf("got %v", line)
	}
	if at := line["time"].(float64); at < before || at > before+60 {
		t.Errorf("time %v is not near %v", at, before)
	}
	if g := line["g"].(map[string]any); g["time"] != 7.0 || g["err"] != "x" {
		t.Errorf("attributes of a group were changed: %v", g)
	}
}

func TestRecordsBelowTheLevelAreNotMade(t *testing.T) {
	ring := NewRing(1 << 16)
	var level slog.LevelVar
	log := New(ring, &level)
	log.Debug("unseen")
	if got := ring.Next(0); got != nil {
		t.Errorf("got %s", got)
	}
	level.Set(Level(10))
	log.Debug("seen")
	if got := ring.Next(0); got == nil {
		t.Error("the level did not take effect")
	}
}

func TestLevelsOfPythonAndBack(t *testing.T) {
	for python, level := range map[int]slog.Level{
		0: slog.LevelDebug, 10: slog.LevelDebug, 11: slog.LevelInfo, 20: slog.LevelInfo,
		30: slog.LevelWarn, 40: slog.LevelError,
	} {
		if got := Level(python); got != level {
			t.Errorf("Level(%d) = %v, want %v", python, got, level)
		}
		if got := PythonLevel(level); got < python {
			t.Errorf("PythonLevel(%v) = %d is below %d", level, got, python)
		}
	}
	if Level(50) <= slog.LevelError || Level(math.MaxInt) <= slog.LevelError {
		t.Error("CRITICAL does not silence errors")
	}
}

func TestAFullRingKeepsTheFirstLinesAndCountsTheRest(t *testing.T) {
	ring := NewRing(100)
	for i := range 50 {
		fmt.Fprintf(ring, "{\"n\":%d}\n", i)
	}
	b := decode(t, ring.Next(0))
	if len(b.Lines) == 0 || len(b.Lines)+b.Dropped != 50 || b.Lines[0]["n"] != 0.0 {
		t.Errorf("got %d lines, %d dropped, first %v", len(b.Lines), b.Dropped, b.Lines[0])
	}
	fmt.Fprint(ring, `{"n":50}`)
	if b := decode(t, ring.Next(0)); b.Dropped != 0 || len(b.Lines) != 1 {
		t.Errorf("after taking all: %+v", b)
	}
}

func TestDropsAloneAreReported(t *testing.T) {
	ring := NewRing(10)
	fmt.Fprint(ring, `{"long":"line that never fits"}`)
	if b := decode(t, ring.Next(time.Hour)); b.Dropped != 1 || len(b.Lines) != 0 {
		t.Errorf("got %+v", b)
	}
}

func TestNextWaitsForALineOrTheTimeoutOrAWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := NewRing(1 << 16)
		start := time.Now()
		if got := ring.Next(time.Minute); got != nil || time.Since(start) != time.Minute {
			t.Errorf("empty: got %s after %v", got, time.Since(start))
		}
		time.AfterFunc(time.Second, func() { fmt.Fprint(ring, `{}`) })
		start = time.Now()
		if got := ring.Next(time.Minute); got == nil || time.Since(start) != time.Second {
			t.Errorf("with a line: got %s after %v", got, time.Since(start))
		}
		time.AfterFunc(time.Second, ring.Wake)
		start = time.Now()
		if got := ring.Next(time.Minute); got != nil || time.Since(start) != time.Second {
			t.Errorf("woken: got %s after %v", got, time.Since(start))
		}
	})
}

func TestManyWritersLoseNothing(t *testing.T) {
	ring := NewRing(1 << 20)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 200 {
				fmt.Fprintln(ring, `{"a":1}`)
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	total := 0
	for finished := false; !finished; {
		select {
		case <-done:
			finished = true
		default:
		}
		if raw := ring.Next(time.Millisecond); raw != nil {
			total += len(decode(t, raw).Lines)
		}
	}
	if raw := ring.Next(0); raw != nil {
		total += len(decode(t, raw).Lines)
	}
	if total != 1600 {
		t.Errorf("%d of 1600 lines came out", total)
	}
}

func BenchmarkLogLine(b *testing.B) {
	ring := NewRing(1 << 20)
	log := New(ring, slog.LevelInfo)
	b.ReportAllocs()
	for b.Loop() {
		log.Info("request", "method", "GET", "status", 200)
	}
}
