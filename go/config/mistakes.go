package config

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Mistake is one thing that is wrong with a configuration. Its message never
// holds a string value of the configuration: any of them may be a secret, or
// a secret in the wrong place.
type Mistake struct {
	Path    string `json:"path"`    // in Python's spelling: cos_map["b"].port
	Message string `json:"message"` // reads on after the path and a colon
}

// String returns path and message.
func (m Mistake) String() string {
	if m.Path == "" {
		return m.Message
	}
	return m.Path + ": " + m.Message
}

// MistakesError is what Parse returns: everything that is wrong, in the order
// of the configuration's fields.
type MistakesError struct{ Mistakes []Mistake }

// Error implements error with one line a mistake.
func (e *MistakesError) Error() string {
	if len(e.Mistakes) == 1 {
		return e.Mistakes[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d mistakes in the configuration:", len(e.Mistakes))
	for _, m := range e.Mistakes {
		b.WriteString("\n  " + m.String())
	}
	return b.String()
}

// JSON renders the mistakes as a list of {"path", "message"} objects, the form
// in which they cross the border to Python.
func (e *MistakesError) JSON() []byte {
	out, err := json.Marshal(e.Mistakes)
	if err != nil {
		panic(err) // two strings always marshal
	}
	return out
}

func (e *MistakesError) add(path, format string, args ...any) {
	e.Mistakes = append(e.Mistakes, Mistake{path, fmt.Sprintf(format, args...)})
}
