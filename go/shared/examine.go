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

// Examine looks at the server and does once everything that a replica does, with
// names that nobody else uses.
func Examine(ctx context.Context, o Options) *Report {
	o.Forget = func([]Revocation) {}
	s := New(o)
	s.sealed = "" // what is there stays
	defer s.Close()
	r := &Report{Problems: []string{}}
	for _, step := range []func(context.Context, *State) error{r.connect, r.measure, r.keyring, r.takePart, r.share, r.use, r.limit, r.revoke} {
		if err := step(ctx, s); err != nil {
			r.Problems = append(r.Problems, err.Error())
			break // what follows would fail, too, or do harm
		}
	}
	return r
}

func (r *Report) connect(ctx context.Context, s *State) error {
	client, err := s.connected()
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
	client, err := s.connected()
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

// keyring looks at what the replica that came last has left.
func (r *Report) keyring(ctx context.Context, s *State) error {
	client, err := s.connected()
	if err != nil {
		return err
	}
	sealed, err := client.Do(ctx, client.B().Hget().Key(s.key("head")).Field("sealed").Build()).ToString()
	if valkey.IsValkeyNil(err) || err == nil && sealed == "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("HGET: %w", err)
	}
	if !s.opens(sealed) { // to revoke something would drop all that they share
		return errors.New("shared_keys does not open what is there: other replicas of this namespace have another keyring")
	}
	return nil
}

func (r *Report) takePart(ctx context.Context, s *State) error {
	if err := s.Open(); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	r.Replicas = s.Replicas() - 1
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
