package access

import (
	"testing"

	"osp/go/sigv4"
)

func TestWhoDidNotSignIsNobody(t *testing.T) {
	r, err := sigv4.Anonymous(&sigv4.Request{Method: "GET", RawPath: "/b/k", Hosts: []string{"h"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := PrincipalOf(r, nil), (Principal{Mechanism: sigv4.Nowhere}); got != want {
		t.Errorf("got %+v", got)
	}
	if got := PrincipalOf(nil, nil); got != (Principal{}) {
		t.Errorf("of what was not verified: %+v", got)
	}
}
