package wire

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// closed remembers whether it was.
type closed struct {
	io.Reader
	yes bool
}

func (c *closed) Close() error { c.yes = true; return nil }

func TestWhatWasPeekedAtIsReadAgain(t *testing.T) {
	for _, text := range []string{"", "a", "ab", "abc", "abcd", strings.Repeat("long", 1000)} {
		source := &closed{Reader: iotest.OneByteReader(strings.NewReader(text))}
		body := io.ReadCloser(source)
		for range 2 {
			head, err := Peek(&body, 3)
			if err != nil || string(head) != text[:min(3, len(text))] {
				t.Errorf("%.9q begins with %q, %v", text, head, err)
			}
		}
		if whole, err := io.ReadAll(body); err != nil || string(whole) != text {
			t.Errorf("%.9q is %.9q then, %v", text, whole, err)
		}
		if body.Close(); !source.yes {
			t.Error("it was not closed")
		}
	}
}

func TestABodyThatBreaksOffIsNotPeekedAt(t *testing.T) {
	broken := errors.New("broken off")
	body := io.NopCloser(io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(broken)))
	if head, err := Peek(&body, 3); !errors.Is(err, broken) || head != nil {
		t.Errorf("got %q, %v", head, err)
	}
}
