package monitor

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"osp/go/stores"
)

const (
	// keepHealth is how long the result of a check is kept: asking more often
	// does not connect to stores more often.
	keepHealth = 5 * time.Second
	// probeTime bounds the check of all stores together.
	probeTime = 5 * time.Second
	// atATime bounds the stores that are checked at the same time.
	atATime = 16
)

// Health is what is known of one store.
type Health struct {
	Store              string   // host:port
	Buckets            []string // the entries of cos_map that lead to it
	TLS                bool     // it is reached with TLS
	Up                 bool     // a connection could be established
	Problem            string   // why it could not
	Took               time.Duration
	Checked            time.Time // zero: not yet
	CertificateExpires time.Time // zero: not known, or no TLS
}

// Reach opens a connection to a store, as upstream.Probe does.
type Reach func(ctx context.Context, b *stores.Bucket) (certificateExpires time.Time, err error)

// prober checks whether stores can be reached, when somebody wants to know.
type prober struct {
	life    context.Context // checks end with it
	entries func() []*stores.Bucket
	reach   Reach
	now     func() time.Time

	mu      sync.Mutex
	known   []Health
	checked time.Time
	stale   bool          // the stores changed while a check was in progress
	running chan struct{} // closed when the check in progress has ended; nil: there is none
}

// latest returns what is known, at once. If that is old, a check begins.
func (p *prober) latest() []Health {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh()
	return p.known
}

// fresh is latest, but waits for the check; the error is ctx's.
func (p *prober) fresh(ctx context.Context) ([]Health, error) {
	p.mu.Lock()
	wait := p.refresh()
	p.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known, nil
}

// refresh begins a check if one is due, and returns a channel that tells its
// end. The caller holds mu.
func (p *prober) refresh() <-chan struct{} {
	if p.running == nil && (p.checked.IsZero() || p.now().Sub(p.checked) >= keepHealth) {
		p.running = make(chan struct{})
		go p.check(p.running)
	}
	return p.running
}

// forget makes the next question a new check, because the stores have changed.
func (p *prober) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checked, p.stale = time.Time{}, p.running != nil
}

func (p *prober) check(done chan struct{}) {
	ctx, cancel := context.WithTimeout(p.life, probeTime)
	defer cancel()
	found, entries := p.stores()
	slots := make(chan struct{}, atATime)
	var wait sync.WaitGroup
	for i := range found {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			p.probe(ctx, entries[i], &found[i])
		})
	}
	wait.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.checked, p.running = found, p.now(), nil
	if p.stale {
		p.checked, p.stale = time.Time{}, false
	}
	close(done)
}

// stores are those that the entries name, with an entry for each.
func (p *prober) stores() ([]Health, []*stores.Bucket) {
	type way struct {
		host string
		port int
		tls  bool
		stores.Transport
	}
	at, found := make(map[way]int), []Health{}
	var entries []*stores.Bucket
	for _, b := range p.entries() {
		k := way{b.Host, b.Port, b.TLS, b.Transport}
		i, known := at[k]
		if !known {
			i = len(found)
			at[k] = i
			found = append(found, Health{Store: net.JoinHostPort(b.Host, strconv.Itoa(b.Port)), TLS: b.TLS})
			entries = append(entries, b)
		}
		found[i].Buckets = append(found[i].Buckets, b.Name)
	}
	return found, entries
}

func (p *prober) probe(ctx context.Context, b *stores.Bucket, h *Health) {
	h.Checked = p.now()
	expires, err := p.reach(ctx, b)
	h.Took = p.now().Sub(h.Checked)
	h.CertificateExpires, h.Up = expires, err == nil
	if err != nil {
		h.Problem = err.Error()
	}
}
