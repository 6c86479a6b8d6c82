package limits

import (
	"testing"
	"time"
)

// reads has a client read so many bytes at a replica, if he is admitted.
func reads(w *world, rules *Rules, bytes int64) bool {
	k, r := w.request(rules, alice, "")
	if r == nil {
		k.End(0, bytes)
	}
	return r == nil
}

func TestAQuotaLastsForItsDayHoweverItsShareIsUsed(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{Requests: NewRate(1, 1), DayBytes: 350}}}
	f, replicas := fleetOf(2)
	read := int64(0)
	for range 600 { // of ten hours
		for _, bytes := range []int64{100, 0} { // what tells no bytes comes last
			if reads(replicas[0], rules, bytes) {
				read += bytes
			}
			f.clock.move(30 * time.Second)
			f.pass()
		}
	}
	if read != 400 {
		t.Errorf("%d bytes of 350", read)
	}
}

func TestAQuotaHoldsThoughTheServerLosesIt(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayBytes: 350, DayRequests: 1000}}}
	f, replicas := fleetOf(2)
	var read int64
	for i := range 20 {
		if i == 6 { // both have heard by then
			clear(f.accounts)
		}
		if reads(replicas[i%2], rules, 50) {
			read += 50
		}
		f.clock.move(2 * time.Second)
		f.pass()
	}
	if read > 450 { // neither has heard of the other's last
		t.Errorf("%d bytes of 350", read)
	}
}
