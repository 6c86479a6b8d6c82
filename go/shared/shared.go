// Package shared is what a fleet of replicas remembers together, in Valkey or
// Redis: answers of callbacks, each asked for by one replica only; revocations;
// counts of uses. Values are sealed, so whoever can write to the server can
// make replicas ask again, but never make up an answer. A replica that hears
// nothing of the others for a Lease stops using what it remembers.
//
// A process alone has no State: it asks nothing here, and for a nil one Open,
// Revoke and Close do nothing.
// The package knows no HTTP, no S3 and no callback.
package shared

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"

	"osp/go/seal"
	"osp/go/shared/address"
)

// Options of a State. All are required but Version.
type Options struct {
	Address   *address.Address
	Namespace string
	Version   string // of the validator: replicas with another one share no answers
	Keyring   seal.Keyring
	Timeout   time.Duration // of one command
	Patience  time.Duration // how long an answer may take that another replica was asking for: half of it is waited for
	Log       *slog.Logger
	// Forget drops what this replica remembers that any of these is about.
	Forget func([]Revocation)
}

// State is one replica's part of the fleet. It is safe for concurrent use.
type State struct {
	o       Options
	id      string
	room    string        // of an examination; empty: the fleet's
	names   *seal.Namer   // of the key that seals
	namers  []*seal.Namer // of all keys
	marks   []string      // of all keys, by which others know whether they can make these names
	values  *seal.Box
	entries *seal.Box   // of the log
	ends    []*seal.Box // of sessions: one for each key
	sealed  string      // what this replica leaves at the server, by which others see whether they have its keyring; empty: nothing

	connecting sync.Mutex
	dialing    *dial // nil: nobody is making a connection
	client     atomic.Pointer[valkey.Client]
	breaker    *breaker
	lease      *lease
	counts     counts
	foreign    sync.Once // told of

	terms    terms
	at       atomic.Pointer[position] // of the last revocation that is applied; nil: none yet
	newest   atomic.Pointer[position] // of the last revocation that this replica was told of, without its id
	replicas atomic.Int64             // at the last beat

	recall recall
	joined chan struct{} // another log than before
	onLog  func()        // see OnNewLog
	began  string        // the log of which that was told; whoever beats looks

	wake  chan struct{}
	life  context.Context // ends when the State is closed
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// markPrefix begins marks of keys, as the script revoke has it.
const markPrefix = "key:"

// New makes a State. Nothing is asked before Open.
func New(o Options) *State {
	namers := o.Keyring.Namers("shared state")
	s := &State{
		o: o, id: newID(), names: namers[0], namers: namers,
		values: o.Keyring.Box("values"), entries: o.Keyring.Box("revocations"), ends: o.Keyring.Boxes("ends of sessions"),
		breaker: &breaker{log: o.Log, now: time.Now}, lease: newLease(),
		joined: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}
	s.life, s.stop = context.WithCancel(context.Background())
	for _, names := range namers {
		s.marks = append(s.marks, markPrefix+names.Name("mark"))
	}
	s.sealed = string(s.entries.Seal(s.key("head"), nil))
	return s
}

// OnNewLog has f called whenever this replica takes part in another log than before, and
// the server can be asked: it may have lost whatever it had. f returns at once. OnNewLog is
// called once at most, before Open.
func (s *State) OnNewLog(f func()) { s.onLog = f }

// Open begins to take part and waits for the first word of the server, at most
// for a dial and a heartbeat. Its error says that there was none; the replica
// serves by itself until there is.
func (s *State) Open() error {
	if s == nil {
		return nil
	}
	err := s.beat(s.life)
	s.ended.Go(func() { s.live(s.life) })
	s.ended.Go(func() { s.listen(s.life) })
	s.ended.Go(func() { s.remind(s.life) })
	return err
}

// Close leaves the fleet: nobody waits for this replica any more, and revocations
// under way end. It takes a few seconds at most, however slow the server is.
func (s *State) Close() {
	if s == nil {
		return
	}
	s.stop()
	within(2*dialTimeout, s.ended.Wait)
	s.lease.end()
	within(dialTimeout, s.leave)
}

func (s *State) leave() {
	s.connecting.Lock()
	dialing := s.dialing
	s.connecting.Unlock()
	if dialing != nil { // the last one: nobody makes another
		<-dialing.done
	}
	client := s.client.Swap(nil)
	if client == nil {
		return
	}
	if at := s.at.Load(); at != nil {
		ctx, cancel := context.WithTimeout(context.Background(), s.o.Timeout)
		defer cancel()
		keys := []string{s.logKey(at.log, "applied"), s.logKey(at.log, "heard")}
		// It may find a connection that broke when the server was started again, and the next
		// try makes another.
		for leave.Exec(ctx, *client, keys, []string{s.id}).Error() != nil && ctx.Err() == nil {
			sleep(ctx, lastPoll)
		}
	}
	(*client).Close()
}

// within waits for something, but not for long.
func within(most time.Duration, something func()) {
	done := make(chan struct{})
	go func() { defer close(done); something() }()
	select {
	case <-done:
	case <-time.After(most):
	}
}

// Generation returns the number of what may be remembered and used now, 0 when
// nothing may: the fleet was not heard of for too long.
func (s *State) Generation() uint64 { return s.lease.Generation() }

// Replicas is how many there are, this one included, as far as it knows.
func (s *State) Replicas() int { return max(1, int(s.replicas.Load())) }

// key names a thing of the namespace, or of a room of its own in there. The braces
// keep all of them on one node of a cluster, where scripts need them.
func (s *State) key(kind string) string { return "osp:{" + s.o.Namespace + "}:" + s.room + kind }

// channel is where news is told, of all rooms: users of the server are given this one.
func (s *State) channel() string { return "osp:{" + s.o.Namespace + "}:changed" }

// logKey names a thing that belongs to a log.
func (s *State) logKey(log, kind string) string { return s.key(log + ":" + kind) }

// failed notes that a command of a client, nil if there was none, failed by the
// server's fault. A server that does not take writes any more is left: another one
// may have taken its name.
func (s *State) failed(client *valkey.Client, err error) {
	s.breaker.failed(err)
	if client != nil && faultOf(err) == faultOfRole && s.client.CompareAndSwap(client, nil) {
		go (*client).Close()
	}
}

// run runs a script within the timeout of a command, unless the server counts as
// away. Its error wraps ErrAway, or is ctx's: then the asker has left, which says
// nothing about the server.
func (s *State) run(ctx context.Context, script *valkey.Lua, keys []string, args ...string) (valkey.ValkeyMessage, error) {
	client := s.client.Load()
	switch {
	case s.breaker.open():
		return valkey.ValkeyMessage{}, ErrAway
	case client == nil:
		return valkey.ValkeyMessage{}, errNotConnected
	}
	begun := time.Now()
	limited, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	message, err := script.Exec(limited, *client, keys, args).ToMessage()
	if err != nil && ctx.Err() != nil {
		return message, ctx.Err()
	}
	s.counts.trip(time.Since(begun), err)
	if err == nil {
		return message, nil
	}
	if faultOf(err) != faultOfKey {
		s.failed(client, err)
	}
	return message, fmt.Errorf("%w: %w", ErrAway, err)
}

// exec runs a script whether or not the server counts as away. It has so much time
// from when there is a connection.
func (s *State) exec(ctx context.Context, most time.Duration, script *valkey.Lua, keys []string, args ...string) (valkey.ValkeyMessage, error) {
	client, err := s.connected(ctx)
	if err != nil {
		return valkey.ValkeyMessage{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return script.Exec(ctx, client, keys, args).ToMessage()
}

// list is exec for a script that returns several things, one at least.
func (s *State) list(ctx context.Context, most time.Duration, script *valkey.Lua, keys []string, args ...string) ([]valkey.ValkeyMessage, error) {
	message, err := s.exec(ctx, most, script, keys, args...)
	if err != nil {
		return nil, err
	}
	list, err := message.ToArray()
	if err != nil || len(list) == 0 {
		return nil, errAnswer
	}
	return list, nil
}
