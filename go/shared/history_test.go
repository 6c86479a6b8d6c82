package shared

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// history is a model of what a fleet may answer. The truth about a token changes
// before each revocation; whoever begins after that has returned must see it.
type history struct {
	*fleet
	replicas []*replica
	relays   []*relay
	truth    []atomic.Int64 // by token
	revoked  []atomic.Int64 // what the last revocation that returned was about

	requests, revocations, uncertain, faults atomic.Int64
}

func newHistory(t *testing.T, replicas, tokens int) *history {
	h := &history{fleet: newFleet(t, newServer(t)), truth: make([]atomic.Int64, tokens), revoked: make([]atomic.Int64, tokens)}
	h.says(func(key string) (string, time.Duration, error) {
		var token int
		if _, err := fmt.Sscanf(key, "%d/", &token); err != nil {
			return "", 0, err
		}
		return fmt.Sprint(h.truth[token].Load()), time.Hour, nil
	})
	for range replicas {
		r := newRelay(t, h.server.socket)
		h.relays = append(h.relays, r)
		h.replicas = append(h.replicas, h.replica(by(r), func(o *Options) { o.Timeout = 500 * time.Millisecond }))
	}
	return h
}

// request asks one replica, and reports false if the answer was revoked.
func (h *history) request(r *replica, token int) bool {
	floor := h.revoked[token].Load()
	v, err := r.get(context.Background(), strconv.Itoa(token), "b")
	n, scan := strconv.ParseInt(v, 10, 64)
	h.requests.Add(1)
	if err == nil && scan == nil && n >= floor {
		return true
	}
	h.t.Errorf("replica %s answered %q, %v about %d after revocation %d had returned", r.id, v, err, token, floor)
	return false
}

// revoke changes the truth about a token and revokes the old one.
func (h *history) revoke(r *State, token int) {
	truth := h.truth[token].Add(1)
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
	defer cancel()
	name := strconv.Itoa(token)
	err := r.Revoke(ctx, Revocation{Token: &name})
	h.revocations.Add(1)
	switch {
	case err == nil:
		h.revoked[token].Store(truth) // one revoker a token
	case errors.Is(err, ErrNotRecorded), errors.Is(err, ErrUnconfirmed):
		h.uncertain.Add(1)
	default:
		h.t.Errorf("a revocation failed with %v", err)
	}
}

// run makes requests to all replicas, and revocations, until ctx ends.
func (h *history) run(ctx context.Context) {
	var wait sync.WaitGroup
	for _, r := range h.replicas {
		for range 2 {
			wait.Go(func() {
				for ctx.Err() == nil && h.request(r, rand.N(len(h.truth))) {
					sleep(ctx, 100*time.Microsecond) // the load is bounded
				}
			})
		}
	}
	for token := range h.truth {
		wait.Go(func() {
			for ctx.Err() == nil {
				h.revoke(h.replicas[rand.N(len(h.replicas))].State, token)
				sleep(ctx, rand.N(100*time.Millisecond))
			}
		})
	}
	wait.Wait()
	h.t.Logf("%d requests, %d revocations of which %d uncertain, %d faults", h.requests.Load(), h.revocations.Load(), h.uncertain.Load(), h.faults.Load())
}

// fault does something to the server or to a replica's way there.
func (h *history) fault(ctx context.Context) {
	h.faults.Add(1)
	switch s := h.server; rand.N(8) {
	case 0: // it starts empty
		s.kill()
		s.start()
	case 1, 2: // it loses what it has not saved
		s.command("SAVE")
		sleep(ctx, rand.N(time.Second))
		s.kill()
		s.start()
		_ = os.Remove(s.dump())
	case 3: // it hangs
		s.signal(syscall.SIGSTOP)
		sleep(ctx, rand.N(3*time.Second))
		s.signal(syscall.SIGCONT)
	case 4, 5: // a replica is cut off
		r := h.relays[rand.N(len(h.relays))]
		r.setCut(true)
		sleep(ctx, rand.N(3*time.Second))
		r.setCut(false)
	case 6: // keys are evicted
		for range 10 {
			if key := s.command("RANDOMKEY"); key != "" {
				s.command("DEL", key)
			}
		}
	case 7:
		s.command("FLUSHALL")
	}
	sleep(ctx, rand.N(time.Second))
}

// soak is how long histories are made.
func soak(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("OSP_SOAK")
	if text == "" {
		return 6 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNoReplicaAnswersByWhatWasRevokedWhateverFails(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 5, 4)
	ctx, cancel := context.WithTimeout(t.Context(), soak(t))
	defer cancel()
	var faults sync.WaitGroup
	faults.Go(func() {
		for ctx.Err() == nil {
			h.fault(ctx)
		}
	})
	h.run(ctx)
	faults.Wait()
}

func TestNoReplicaAnswersByWhatWasRevoked(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 4, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	h.run(ctx)
	if h.uncertain.Load() > 2 { // those that the end interrupts
		t.Errorf("%d of %d revocations failed although nothing did", h.uncertain.Load(), h.revocations.Load())
	}
}
