package shared

import (
	"fmt"
	"testing"
)

// It can't tell that the log goes on from what it knows, and nobody else is concerned.
func TestAReplicaThatMissedMoreThanTheLogKeepsForgetsAndTheLogStays(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	r := f.replica()
	if err := r.Revoke(t.Context(), Revocation{Token: ptr("nobody")}); err != nil {
		t.Fatal(err)
	}
	before, generation := *r.at.Load(), r.Generation()
	const missed = keepLog + 5
	s.command("EVAL", `
for i = 2, ARGV[1] do redis.call('ZADD', KEYS[2], i, string.format('%022d', i)) end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'number', ARGV[1], 'last', string.format('%022d', ARGV[1]))
`, "2", r.key("head"), r.logKey(before.log, "log"), fmt.Sprint(missed), fmt.Sprint(keepLog))
	eventually(t, "it does not hear of them", func() bool { return r.at.Load() != nil && r.at.Load().number == missed })
	if r.at.Load().log != before.log || r.Stats().Lost != 0 {
		t.Errorf("it began %+v after %+v", *r.at.Load(), before)
	}
	if r.Generation() == generation {
		t.Error("it remembers what may have been revoked")
	}
}
