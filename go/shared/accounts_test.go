package shared_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"osp/go/shared"
	"osp/go/shared/sharedtest"
)

// claims are some of an account that begin with one, by chance: of requests, bytes and days,
// each of which may be left out, by rules that change now and then.
func claims(random *rand.Rand, name string, today int64) []shared.Claim {
	var all []shared.Claim
	milli, ahead := int64(1_000), 3*time.Second
	for range 60 {
		c := shared.Claim{Name: []string{"token", name}}
		if random.IntN(20) == 0 {
			milli, ahead = 1+random.Int64N(20_000), time.Duration(1+random.Int64N(10_000))*time.Millisecond
		}
		if random.IntN(2) == 0 {
			c.Requests, c.Milli, c.Ahead = 1+random.Int64N(4), milli, ahead
		}
		if random.IntN(3) == 0 {
			c.In, c.Out = time.Duration(random.Int64N(int64(time.Second))), time.Duration(random.Int64N(int64(3*time.Second)))
		}
		if random.IntN(3) == 0 {
			c.LateIn, c.LateOut = time.Duration(random.Int64N(int64(3*time.Second))), time.Duration(random.Int64N(int64(time.Second)))
			c.MostLate = time.Duration(1+random.IntN(10)) * time.Second
		}
		if random.IntN(3) == 0 {
			c.Daily, c.Day, c.DayRequests, c.DayBytes = true, today+random.Int64N(3)-1, random.Int64N(9)-2, random.Int64N(1<<40)
			c.Born, c.KnownRequests, c.KnownBytes = random.Int64N(2), random.Int64N(50), random.Int64N(1<<42)
		}
		all = append(all, c)
	}
	return all
}

// What tests of limits take for the fleet's server says what the server says.
func TestTheModelOfTheServerDoesWhatItsScriptDoes(t *testing.T) {
	one, two := shared.NewReplicas(t)
	random := rand.New(rand.NewPCG(7, 8))
	model := sharedtest.Accounts{}
	for i := range 10 {
		for n, c := range claims(random, fmt.Sprint(i), time.Now().Unix()/86400) {
			got, err := []*shared.State{one, two}[random.IntN(2)].Settle(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if want := model.Settle(c, got.Time); got != want {
				t.Fatalf("claim %d, %+v:\n%+v, and the model says\n%+v", n, c, got, want)
			}
		}
	}
}
