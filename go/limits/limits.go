// Package limits decides whether a request comes too soon, and how fast its bytes
// may flow: by rules about everybody, an entry, a client key, both together, or
// clients without a signature. What each has taken is an account, of which there is
// a bounded number. In a fleet all replicas keep the accounts together; a replica
// that can't reach the others has its share of each rule.
//
// The arithmetic is pure, with the clock as a parameter. The package knows no HTTP and
// no key of an object, and decides nothing about rights.
package limits

import (
	"context"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/lru"
	"osp/go/s3op"
	"osp/go/shared"
)

// mostAccounts bounds the memory that accounts take, at some 400 bytes each. Whoever
// is displaced, since he was not heard of for longest, begins anew. Addresses, which
// anybody may have any number of, have as many of their own, and displace nobody else.
const mostAccounts = 1 << 16

// Fleet is with whom accounts are kept; see shared.State.
type Fleet interface {
	Settle(ctx context.Context, claim shared.Claim) (shared.Grant, error)
	Replicas() int
	OnNewLog(func())
}

// Options of a Table. The zero Options are those of a process that is alone.
type Options struct {
	Fleet Fleet                           // nil: the process is alone
	Clock func() time.Duration            // since some moment; nil: since now
	Wall  func() time.Time                // nil: time.Now
	Later func(d time.Duration, f func()) // nil: time.AfterFunc
}

// Table holds the accounts. It is safe for concurrent use; make it with New.
type Table struct {
	fleet    Fleet
	clock    func() time.Duration
	wall     func() time.Time
	later    func(d time.Duration, f func())
	accounts *lru.Map[key, *account] // but for those of addresses
	address  *lru.Map[key, *account]
	opening  sync.Mutex // held by whoever opens an account

	ahead  atomic.Int64 // by how much the fleet's clock is ahead of wall
	latest atomic.Int64 // day that it was
	logs   atomic.Int64 // how often the others may have lost what they knew
	again  retelling
	closed atomic.Bool
}

// New makes a Table without accounts.
func New(o Options) *Table {
	t := &Table{fleet: o.Fleet, clock: o.Clock, wall: o.Wall, later: o.Later}
	if t.clock == nil {
		begun := time.Now()
		t.clock = func() time.Duration { return time.Since(begun) }
	}
	if t.wall == nil {
		t.wall = time.Now
	}
	if t.later == nil {
		t.later = func(d time.Duration, f func()) { time.AfterFunc(d, f) }
	}
	t.accounts, t.address = newAccounts(), newAccounts()
	if t.fleet != nil {
		t.fleet.OnNewLog(func() {
			t.logs.Add(1)
			t.later(0, t.tellAll)
		})
	}
	return t
}

func newAccounts() *lru.Map[key, *account] {
	m := lru.New[key, *account](mostAccounts, hash, nil)
	m.Spare(func(a *account) bool { return a.running.Load() > 0 }) // or as many again could run
	return m
}

// key names an account: whose it is, and of which operations.
type key struct {
	scope  Scope
	of     s3op.Class // s3op.Classes: all
	who    string     // token, address or name of a class; empty: everybody
	bucket string     // entry, or the token, or the address, of a class; empty: all
}

func hash(seed maphash.Seed, k key) uint64 {
	return maphash.String(seed, k.who) ^ bits.RotateLeft64(maphash.String(seed, k.bucket), 1) ^ (uint64(k.scope)<<8|uint64(k.of))*0x9e3779b97f4a7c15
}

// mostDebt is how far bytes that nobody could slow down may put an account ahead. Those of
// others must not put a client off, nor the streams that wait for their turn.
func (k *key) mostDebt() time.Duration {
	if k.scope.common() {
		return Window
	}
	return mostDebt
}

// all are the accounts that there are.
func (t *Table) all() []*account { return slices.Concat(t.accounts.Values(), t.address.Values()) }

// account returns that of a key, which is made when it is first needed.
func (t *Table) account(k key) *account {
	in := t.accounts
	if k.scope.ofAddresses() {
		in = t.address
	}
	if a, ok := in.Get(k); ok {
		return a
	}
	t.opening.Lock() // or two could open one each, and a client would have both
	defer t.opening.Unlock()
	if a, ok := in.Get(k); ok {
		return a
	}
	k.who, k.bucket = strings.Clone(k.who), strings.Clone(k.bucket) // without the rest of their request
	a := &account{key: k}
	in.Add(k, a)
	return a
}
