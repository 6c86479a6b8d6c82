package address

import (
	"net"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, text := range []string{"valkey://h", "rediss://u@[::1]:1/2", "unix:///s", "valkey+sentinel://a,b:1/m", "valkey+cluster://a,b", "valkey://:p@h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text)
		if err != nil {
			if len(text) > 40 && strings.Contains(err.Error(), text) {
				t.Errorf("it is quoted: %v", err)
			}
			return
		}
		if (a.Socket == "") == (len(a.Hosts) == 0) || !a.Password.Empty() {
			t.Errorf("%+v", a)
		}
		for _, host := range a.Hosts {
			if _, _, err := net.SplitHostPort(host); err != nil {
				t.Error(err)
			}
		}
	})
}
