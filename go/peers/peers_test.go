package peers

import (
	"net/netip"
	"testing"
)

func TestPeersAreTrustedByTheirAddress(t *testing.T) {
	networks := Trusted{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::1/128")}}
	for remote, want := range map[string]bool{
		"10.1.2.3:5": true, "[::ffff:10.1.2.3]:5": true, "[fd00::1]:5": true, "[fd00::1%eth0]:5": true,
		"announced:10.1.2.3:5": false, "announced:[fd00::1]:5": false, "announced:unix": false,
		"11.1.2.3:5": false, "[fd00::2]:5": false, "unix": false, "": false, "10.1.2.3": false,
	} {
		if networks.Trust(remote) != want {
			t.Errorf("%q: trusted is %v", remote, !want)
		}
	}
	local := Trusted{Unix: true}
	if !local.Trust("unix") || local.Trust("10.1.2.3:5") || local.Trust("") || local.None() {
		t.Errorf("got %+v", local)
	}
	if !(Trusted{}).None() || (Trusted{}).Trust("unix") || networks.None() {
		t.Error("nobody is trusted by default")
	}
}
