package proxy

import (
	"testing"

	"osp/go/callbacks"
)

func TestRequestsAreCountedWhileThatIsOn(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	before := RequestCount()
	EnableCounting(true)
	r.Do(r.Request("GET", "/photos/k", ""))
	EnableCounting(false)
	r.Do(r.Request("GET", "/photos/k", ""))
	if n := RequestCount() - before; n != 1 {
		t.Errorf("%d requests were counted, want 1", n)
	}
}
