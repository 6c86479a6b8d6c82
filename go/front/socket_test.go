package front

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func TestAPortIsSharedByThoseWhoAllShareIt(t *testing.T) {
	open := func(address string, shared bool) (net.Listener, error) {
		l, err := Open(address, shared)
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
		}
		return l, err
	}
	for _, c := range []struct {
		name          string
		first, second bool
		fails         bool
	}{
		{"both share", true, true, false},
		{"the first does not", false, true, true},
		{"the second does not", true, false, true},
		{"neither does", false, false, true},
	} {
		l, err := open("127.0.0.1:0", c.first)
		if err != nil {
			t.Fatal(err)
		}
		_, err = open(l.Addr().String(), c.second)
		if c.fails != errors.Is(err, syscall.EADDRINUSE) || !c.fails && err != nil {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}
