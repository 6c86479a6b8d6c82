package shared

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"osp/go/cache"
)

// Report is what Examine found.
type Report struct {
	Server      string   `json:"server"`       // its name and version
	Seconds     float64  `json:"seconds"`      // of the median round trip
	ClockOffset float64  `json:"clock_offset"` // seconds that its clock is ahead
	Eviction    string   `json:"eviction"`     // maxmemory-policy
	Copies      int64    `json:"copies"`       // replicas of the server
	Replicas    int      `json:"replicas"`     // of the proxy
	Problems    []string `json:"problems"`
}

// roundTrips is how many are measured.
const roundTrips = 9

// mostOffset is how far the server's clock may be from this one's. They are never
// compared with each other, but one that is far off is going to be set, and then
// what the server keeps ends too early or too late.
const mostOffset = time.Minute

// Examine looks at the server, and at the fleet as one of its replicas. Then it does
// once everything else that a replica does, in a room of its own: a revocation costs
// all who share a log with it their bearer tokens, at least.
func Examine(ctx context.Context, o Options) *Report {
	o.Forget = func([]Revocation) {}
	r := &Report{Problems: []string{}}
	fleet := New(o)
	fleet.sealed = "" // what is there stays
	defer fleet.Close()
	if !r.each(ctx, fleet, r.connect, r.measure, r.keyring, r.takePart) {
		return r
	}
	alone := New(o)
	alone.room = "examination:" + newID() + ":"
	alone.sealed = ""
	defer fleet.sweep(alone)
	defer alone.Close()
	r.each(ctx, alone, r.begin, r.share, r.use, r.limit, r.revoke)
	return r
}

// each takes steps until one fails: what follows would fail, too.
func (r *Report) each(ctx context.Context, s *State, steps ...func(context.Context, *State) error) bool {
	for _, step := range steps {
		if err := step(ctx, s); err != nil {
			r.Problems = append(r.Problems, err.Error())
			return false
		}
	}
	return true
}

// sweep drops what the server would keep of a room for ever. The rest expires.
func (s *State) sweep(room *State) {
	ctx, cancel := context.WithTimeout(context.Background(), s.o.Timeout)
	defer cancel()
	if client, err := s.connected(ctx); err == nil {
		_ = client.Do(ctx, client.B().Del().Key(append(room.endKeys([]EndOf{founded}), room.key("head"))...).Build()).Error()
	}
}

func (r *Report) connect(ctx context.Context, s *State) error {
	client, err := s.connected(ctx)
	if err != nil {
		return fmt.Errorf("no connection: %w", err)
	}
	info := map[string]string{}
	for _, section := range []string{"server", "memory", "replication"} {
		text, err := client.Do(ctx, client.B().Info().Section(section).Build()).ToString()
		if err != nil {
			return fmt.Errorf("INFO: %w", err)
		}
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				info[name] = value
			}
		}
	}
	if info["run_id"] == "" || info["master_replid"] == "" {
		return errors.New("INFO lacks run_id or master_replid, by which a server that was started again is told from one that was not")
	}
	r.Server = "redis " + info["redis_version"]
	if version := info["valkey_version"]; version != "" {
		r.Server = "valkey " + version
	}
	r.Copies, _ = strconv.ParseInt(info["connected_slaves"], 10, 64) // 0 where it says none
	if r.Eviction = info["maxmemory_policy"]; r.Eviction != "noeviction" {
		r.Problems = append(r.Problems, "maxmemory-policy is "+r.Eviction+": counts of presigned URLs can be evicted; it must be noeviction")
	}
	if major, _, _ := strings.Cut(info["redis_version"], "."); len(major) == 1 && major < "7" {
		r.Problems = append(r.Problems, "the server is older than Redis 7.0")
	}
	return nil
}

func (r *Report) measure(ctx context.Context, s *State) error {
	client, err := s.connected(ctx)
	if err != nil {
		return err
	}
	var took []time.Duration
	for range roundTrips {
		begun := time.Now()
		parts, err := client.Do(ctx, client.B().Time().Build()).AsIntSlice()
		if err != nil || len(parts) != 2 {
			return fmt.Errorf("TIME: %w", err)
		}
		trip := time.Since(begun)
		took = append(took, trip)
		r.ClockOffset = time.Unix(parts[0], parts[1]*1000).Sub(begun.Add(trip / 2)).Seconds()
	}
	slices.Sort(took)
	median := took[len(took)/2]
	r.Seconds = median.Seconds()
	if median > s.o.Timeout/2 {
		r.Problems = append(r.Problems, fmt.Sprintf("a round trip takes %v, and shared_timeout is %v", median.Round(time.Microsecond), s.o.Timeout))
	}
	if offset := time.Duration(r.ClockOffset * float64(time.Second)); offset.Abs() > mostOffset {
		r.Problems = append(r.Problems, fmt.Sprintf("its clock differs from this machine's by %v", offset.Round(time.Second)))
	}
	return nil
}

// keyring looks at what replicas have left: the one that came last a text, and
// whoever asked for an answer the mark of the key that names it.
func (r *Report) keyring(ctx context.Context, s *State) error {
	client, err := s.connected(ctx)
	if err != nil {
		return err
	}
	marks, err := client.Do(ctx, client.B().Hkeys().Key(s.key("head")).Build()).AsStrSlice()
	if err != nil {
		return fmt.Errorf("HKEYS: %w", err)
	}
	if slices.ContainsFunc(marks, s.foreignMark) {
		r.Problems = append(r.Problems, "answers are named by a key that shared_keys lacks: a change of keys is not complete here, or nothing was revoked since it was. A revocation from here makes all answers void")
	}
	sealed, err := client.Do(ctx, client.B().Hget().Key(s.key("head")).Field("sealed").Build()).ToString()
	if valkey.IsValkeyNil(err) || err == nil && sealed == "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("HGET: %w", err)
	}
	if !s.opens(sealed) {
		return errors.New("shared_keys does not open what is there: other replicas of this namespace have another keyring")
	}
	return nil
}

// foreignMark reports whether a field of the log's head is the mark of a key that
// this keyring lacks.
func (s *State) foreignMark(field string) bool {
	return strings.HasPrefix(field, markPrefix) && !slices.Contains(s.marks, field)
}

func (r *Report) takePart(ctx context.Context, s *State) error {
	if err := s.Open(); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	r.Replicas = s.Replicas() - 1
	return nil
}

func (r *Report) begin(_ context.Context, s *State) error {
	if err := s.Open(); err != nil {
		return fmt.Errorf("a log of its own: %w", err)
	}
	return nil
}

func (r *Report) share(ctx context.Context, s *State) error {
	name := newID()
	load := Load(s, Item{Kind: "examination", Key: name, Token: name}, Codec[string]{
		Encode: func(text string) []byte { return []byte(text) },
		Decode: func(b []byte, _ time.Duration) (string, bool) { return string(b), true },
	}, func(context.Context) (cache.Entry[string], error) {
		return cache.Entry[string]{Value: name, TTL: time.Second}, nil
	})
	for range 2 { // the second one finds what the first has written
		if _, err := load(ctx); err != nil {
			return fmt.Errorf("answers: %w", err)
		}
	}
	if s.counts.hits.Load() == 0 {
		return fmt.Errorf("answers: %w", errAnswer)
	}
	return nil
}

func (r *Report) use(ctx context.Context, s *State) error {
	if ok, err := s.Use(ctx, newID(), 1, time.Now().Add(-usesSlack)); err != nil || !ok {
		return fmt.Errorf("counts: %w", err)
	}
	return nil
}

func (r *Report) limit(ctx context.Context, s *State) error {
	got, err := s.Settle(ctx, Claim{Name: []string{newID()}, Requests: 1, Milli: 1000, Ahead: time.Second})
	if err != nil || got.Requests != 1 {
		return fmt.Errorf("limits: %w", err)
	}
	return nil
}

func (r *Report) revoke(ctx context.Context, s *State) error {
	nobody := newID()
	if err := s.Revoke(ctx, Revocation{Token: &nobody, KeepSessions: true, At: time.Now()}); err != nil {
		return fmt.Errorf("revocations: %w", err)
	}
	return nil
}
