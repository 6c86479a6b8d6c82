package upstream

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"osp/go/s3err"
)

// scrap is a store that reads all it gets and never answers.
func scrap(t *testing.T) *scripted {
	return newScripted(t, func(_ int, c *scriptedConn) { _, _ = io.Copy(io.Discard, c) })
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a bug") }

func TestALengthNearTheLargestNumberIsALength(t *testing.T) {
	body := io.MultiReader(strings.NewReader(strings.Repeat("x", 300_000)), failing{})
	_, err := do(t, client(t), Call{Bucket: scrap(t).bucket(nil), Method: http.MethodPut, Body: body, Length: math.MaxInt64})
	if !errors.Is(err, errWrongBody) {
		t.Errorf("got %v", err)
	}
}

func TestABodyThatPanicsEndsItsRequestOnly(t *testing.T) {
	for _, sent := range []int{0, 300_000} { // read by the caller, and by an upload
		body := io.MultiReader(strings.NewReader(strings.Repeat("x", sent)), panicking{})
		_, err := do(t, client(t), Call{Bucket: scrap(t).bucket(nil), Method: http.MethodPut, Body: body, Length: 400_000})
		if !errors.Is(err, s3err.InternalError) || !strings.Contains(err.Error(), "a bug") {
			t.Errorf("after %d bytes: %v", sent, err)
		}
	}
}

func TestAnUploadThatPanicsEndsItsRequestOnly(t *testing.T) {
	storeFailed, err := (&conn{}).copyBody(nil, nil, 1, nil, 0) // without a connection
	if storeFailed || !errors.Is(err, s3err.InternalError) {
		t.Errorf("got %v, %v", storeFailed, err)
	}
}
