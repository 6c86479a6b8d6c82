package sigv4

import (
	"strconv"
	"sync"
	"testing"
)

// Requests that are verified at the same moment share out the signers of one
// key.
func TestRequestsAreVerifiedAtTheSameTime(t *testing.T) {
	verifier := at(noon)
	var wait sync.WaitGroup
	for i := range 8 {
		good, err := Parse(signedByHeader(t, "GET", "/photos/"+strconv.Itoa(i), nil))
		if err != nil {
			t.Fatal(err)
		}
		wrong := *good
		wrong.signature = "0" + good.signature[1:]
		if good.signature[0] == '0' {
			wrong.signature = "1" + good.signature[1:]
		}
		wait.Go(func() {
			for range 500 {
				if _, err := verifier.Verify(good, owner); err != nil {
					t.Error(err)
				}
				if _, err := verifier.Verify(&wrong, owner); err == nil {
					t.Error("a wrong signature passed")
				}
			}
		})
	}
	wait.Wait()
}
