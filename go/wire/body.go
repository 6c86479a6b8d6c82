package wire

import (
	"bytes"
	"io"
)

// LongestError bounds how much of a store's error is read to learn what it says.
const LongestError = 64 << 10

// Peek reads the beginning of a body, up to most bytes, and leaves the body
// whole for whoever reads it next.
func Peek(body *io.ReadCloser, most int64) ([]byte, error) {
	head, err := io.ReadAll(io.LimitReader(*body, most))
	if err != nil {
		return nil, err
	}
	*body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), *body), *body}
	return head, nil
}
