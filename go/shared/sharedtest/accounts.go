// Package sharedtest keeps by a clock of the test's own what a fleet keeps at its server.
package sharedtest

import (
	"math"
	"strings"
	"time"

	"osp/go/shared"
)

// Accounts are those that replicas keep together, by their names. They say what the server
// says, whose script does its arithmetic in the same numbers.
type Accounts map[string]*account

// account has its moments in microseconds since 1970.
type account struct {
	requests, in, out  float64 // until when it is paid for
	day, served, moved int64
	born               int64
	ends               time.Time // when the server forgets it
}

// Served is how many requests have been told of the last day.
func (a *account) Served() int64 { return a.served }

// Settle is what the server does with a claim that it gets at now.
func (a Accounts) Settle(c shared.Claim, now time.Time) shared.Grant {
	at := a.at(c, now)
	g := shared.Grant{Time: now}
	micros := float64(now.UnixMicro())
	if c.Requests > 0 {
		g.Requests, g.Wait = at.take(c, micros)
	}
	at.in, g.In = charge(at.in, c.In, c.LateIn, c.MostLate, micros)
	at.out, g.Out = charge(at.out, c.Out, c.LateOut, c.MostLate, micros)
	at.count(c, now.Unix()/86400)
	g.DayRequests, g.DayBytes, g.Born = at.served, at.moved, at.born
	return g
}

// at is the account of a claim. It is kept for as long as any claim says.
func (a Accounts) at(c shared.Claim, now time.Time) *account {
	name := strings.Join(c.Name, "\x00")
	at := a[name]
	if at == nil || now.After(at.ends) {
		at = &account{born: now.UnixMicro()}
		a[name] = at
	}
	if ends := now.Add(c.Life()); ends.After(at.ends) {
		at.ends = ends
	}
	return at
}

func (a *account) take(c shared.Claim, now float64) (given int64, wait time.Duration) {
	each, ahead := 1e9/float64(max(1, c.Milli)), float64(c.Ahead.Microseconds())
	paid := min(max(a.requests, now), now+ahead)
	given = max(0, min(c.Requests, int64(math.Floor((ahead-(paid-now))/each+0.001))))
	paid += float64(given) * each
	if given == 0 {
		wait = time.Duration(max(1, math.Ceil(paid-now+each-ahead))) * time.Microsecond
	}
	a.requests = math.RoundToEven(paid)
	return given, wait
}

func charge(until float64, cost, late, mostLate time.Duration, now float64) (paid float64, ahead time.Duration) {
	most := now + float64(shared.MostAhead.Microseconds())
	until = min(min(max(until, now), most)+float64(cost.Microseconds()), most)
	until = max(until, min(until+float64(late.Microseconds()), now+float64(mostLate.Microseconds())))
	return until, time.Duration(until-now) * time.Microsecond
}

func (a *account) count(c shared.Claim, today int64) {
	if a.day != today {
		a.day, a.served, a.moved = today, 0, 0
	}
	if c.Day == today {
		if c.Born > 0 && c.Born != a.born { // the server has lost that one
			a.served, a.moved = max(a.served, c.KnownRequests), max(a.moved, c.KnownBytes)
		}
		a.served, a.moved = max(0, a.served+c.DayRequests), max(0, a.moved+c.DayBytes)
	}
}
