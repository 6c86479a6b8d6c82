// Package logs carries log records out of the request path: records become JSON
// lines in a bounded ring, and the owner of the process takes them out in
// batches. A full ring drops and counts; it never makes a request wait.
package logs

import (
	"log/slog"
	"time"
)

// Levels of Python's logging module, which the lines carry
// (https://docs.python.org/3/library/logging.html#logging-levels).
const (
	pyDebug   = 10
	pyInfo    = 20
	pyWarning = 30
	pyError   = 40
)

// New returns a logger that writes into ring, from a level on. A line contains
// "time" (Unix seconds), "level" (a number of Python's logging), "msg" and the
// record's attributes.
func New(ring *Ring, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(ring, &slog.HandlerOptions{
		Level:       level,
		ReplaceAttr: replaceAttr,
	}))
}

func replaceAttr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch v := a.Value.Any().(type) {
	case time.Time:
		if a.Key == slog.TimeKey {
			return slog.Float64(a.Key, float64(v.UnixMicro())/1e6)
		}
	case slog.Level:
		if a.Key == slog.LevelKey {
			return slog.Int(a.Key, PythonLevel(v))
		}
	}
	return a
}

// PythonLevel is the level of Python's logging for l.
func PythonLevel(l slog.Level) int {
	switch {
	case l < slog.LevelInfo:
		return pyDebug
	case l < slog.LevelWarn:
		return pyInfo
	case l < slog.LevelError:
		return pyWarning
	default:
		return pyError
	}
}

// Level is the lowest level whose PythonLevel is at least python.
func Level(python int) slog.Level {
	switch {
	case python <= pyDebug:
		return slog.LevelDebug
	case python <= pyInfo:
		return slog.LevelInfo
	case python <= pyWarning:
		return slog.LevelWarn
	case python <= pyError:
		return slog.LevelError
	default:
		return slog.LevelError + 1 // Python's CRITICAL and above: nothing of ours
	}
}
