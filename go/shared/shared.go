// Package shared is what a fleet of replicas remembers together, in Valkey or
// Redis: answers of callbacks, each asked for by one replica only; revocations;
// counts of uses. Values are sealed, so whoever can write to the server can
// make replicas ask again, but never grant anything. A replica that hears
// nothing of the others for a Lease stops using what it remembers.
//
// A nil *State is that of a process alone: it shares nothing and costs nothing.
// The package knows no HTTP, no S3 and no callback.
package shared

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"

	"osp/go/seal"
	"osp/go/shared/address"
)

const (
	// keepLog is how many revocations the log keeps. A replica that is further
	// behind forgets everything.
	keepLog = 10_000
	// silence is how long a replica that ended without a word counts as one.
	silence = 30 * time.Second
	// longest is how long a value is shared at most: scopes remember a
	// revocation for a little longer.
	longest    = 24 * time.Hour
	keepScopes = longest + time.Hour
)

// Options of a State. All are required but Version.
type Options struct {
	Address   *address.Address
	Namespace string
	Version   string // of the validator: replicas with another one share no answers
	Keyring   seal.Keyring
	Timeout   time.Duration // of one command
	Patience  time.Duration // how long to wait for an answer that another replica asks for
	Log       *slog.Logger
	// Forget drops what this replica remembers about a token, a bucket, or both
	// together; nil matches all.
	Forget func(token, bucket *string)
}

// State is one replica's part of the fleet. It is safe for concurrent use.
type State struct {
	o       Options
	id      string
	names   *seal.Namer   // of the key that seals
	namers  []*seal.Namer // of all keys
	values  *seal.Box
	entries *seal.Box // of the log

	client  atomic.Pointer[valkey.Client]
	breaker *breaker
	lease   *lease
	counts  counts
	asked   atomic.Uint64 // makes askers differ

	applied  atomic.Int64 // the last revocation that is applied; -1: none yet
	seen     atomic.Int64 // the highest number that was ever seen
	replicas atomic.Int64 // at the last beat

	wake  chan struct{}
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// New makes a State. Nothing is asked before Open.
func New(o Options) *State {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		panic(err) // crypto/rand never fails
	}
	namers := o.Keyring.Namers("shared state")
	s := &State{
		o: o, id: hex.EncodeToString(id[:]), names: namers[0], namers: namers,
		values: o.Keyring.Box("values"), entries: o.Keyring.Box("revocations"),
		breaker: &breaker{log: o.Log, now: time.Now}, lease: newLease(), wake: make(chan struct{}, 1), stop: func() {},
	}
	s.applied.Store(-1)
	return s
}

// Open begins to take part and waits for the first word of the server, at most
// for a dial and a command. Its error says that there was none; the replica
// serves by itself until there is.
func (s *State) Open() error {
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	err := s.beat(ctx)
	s.ended.Go(func() { s.live(ctx) })
	s.ended.Go(func() { s.listen(ctx) })
	return err
}

// Close leaves the fleet: nobody waits for this replica any more.
func (s *State) Close() {
	if s == nil {
		return
	}
	s.stop()
	s.ended.Wait()
	s.lease.end()
	if c := s.client.Load(); c != nil {
		ctx, cancel := context.WithTimeout(context.Background(), s.o.Timeout)
		defer cancel()
		(*c).Do(ctx, (*c).B().Hdel().Key(s.key("replicas")).Field(s.id).Build())
		(*c).Close()
	}
}

// Generation returns the number of what may be remembered and used now, 0 when
// nothing may: the fleet was not heard of for too long.
func (s *State) Generation() uint64 { return s.lease.Generation() }

// Replicas is how many there are, this one included, as far as it knows.
func (s *State) Replicas() int { return max(1, int(s.replicas.Load())) }

// key names a thing of the namespace. The braces keep all of them on one node
// of a cluster, where scripts need them.
func (s *State) key(kind string) string { return "osp:{" + s.o.Namespace + "}:" + kind }

// connected returns the connection, which is made when it is first needed.
func (s *State) connected() (valkey.Client, error) {
	if c := s.client.Load(); c != nil {
		return *c, nil
	}
	c, err := valkey.NewClient(clientOf(s.o.Address, s.o.Timeout))
	if err != nil {
		return nil, err
	}
	if !s.client.CompareAndSwap(nil, &c) {
		c.Close()
		return *s.client.Load(), nil
	}
	return c, nil
}

// run runs a script within the timeout of a command. Its error wraps ErrAway.
func (s *State) run(ctx context.Context, script *valkey.Lua, keys []string, args ...string) (valkey.ValkeyMessage, error) {
	if !s.breaker.enter() {
		return valkey.ValkeyMessage{}, ErrAway
	}
	begun := time.Now()
	message, err := s.exec(ctx, script, keys, args)
	s.counts.trip(time.Since(begun), err)
	if err != nil && ctx.Err() != nil {
		s.breaker.leave(nil) // the asker has left; that says nothing about the server
		return message, ctx.Err()
	}
	s.breaker.leave(err)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrAway, err)
	}
	return message, err
}

func (s *State) exec(ctx context.Context, script *valkey.Lua, keys, args []string) (valkey.ValkeyMessage, error) {
	client, err := s.connected()
	if err != nil {
		return valkey.ValkeyMessage{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	return script.Exec(ctx, client, keys, args).ToMessage()
}
