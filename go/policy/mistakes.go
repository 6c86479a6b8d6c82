package policy

import (
	"fmt"
	"strings"
)

// Mistake is one thing that is wrong with a document. Its message never holds a
// text of the document.
type Mistake struct {
	Line    int    // in the document, from 1
	Path    string // Statement[0].Action[1]; empty: the document itself
	Message string // reads on after the path and a colon
}

// String returns path and message.
func (m Mistake) String() string {
	if m.Path == "" {
		return m.Message
	}
	return m.Path + ": " + m.Message
}

// MistakesError is what Parse returns: everything that is wrong.
type MistakesError struct{ Mistakes []Mistake }

// Error implements error with one line for each mistake.
func (e *MistakesError) Error() string {
	var b strings.Builder
	b.WriteString("the policy has mistakes:")
	for _, m := range e.Mistakes {
		fmt.Fprintf(&b, "\n  line %d: %s", m.Line, m)
	}
	return b.String()
}

func (e *MistakesError) add(n *node, format string, args ...any) {
	e.Mistakes = append(e.Mistakes, Mistake{n.line, n.path, fmt.Sprintf(format, args...)})
}
