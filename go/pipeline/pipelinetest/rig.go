// Package pipelinetest is what the tests of the pipeline and of the server
// around it have in common: a store that notes what reaches it, a configuration
// for it, and a client that signs as the SDK does. It imports neither room, so
// that the tests of both can use it, and no other code does.
package pipelinetest

import (
	"bytes"
	"log/slog"
	"maps"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"osp/go/config"
	"osp/go/config/configtest"
)

// The keys of the client and of the store.
const (
	ClientKey    = "client/key"
	ClientSecret = "client-secret"
	StoreKey     = "STOREKEY"
	StoreSecret  = "store-secret"
)

// Settings are a part of a configuration as it is written in JSON.
type Settings = map[string]any

// Rig is something that serves a store's buckets at a URL, and the store.
type Rig struct {
	T      testing.TB
	Store  *Store
	Config *config.Config
	Log    *Log
	Port   int    // of the store
	URL    string // set by whoever serves
}

// New makes a store and a configuration for it. Each of the named entries may
// have changes of its own; change adds to the rest of the configuration.
func New(t testing.TB, change Settings, named map[string]Settings) *Rig {
	t.Helper()
	store := NewStore(t)
	u, err := url.Parse(store.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	cosMap := Settings{}
	for name, more := range named {
		entry := Entry(port)
		maps.Copy(entry, more)
		cosMap[name] = entry
	}
	settings := Settings{
		"cos_map":       cosMap,
		"hmac_keystore": []Settings{{"access_key": ClientKey, "secret_key": ClientSecret}},
	}
	maps.Copy(settings, change)
	cfg, err := config.Parse(configtest.Document(settings))
	if err != nil {
		t.Fatal(err)
	}
	return &Rig{T: t, Store: store, Port: port, Config: cfg, Log: &Log{}}
}

// Buckets are the entries of most tests.
func Buckets() map[string]Settings { return map[string]Settings{"photos": {}, "other": {}} }

// Entry is an entry for a store at a port of this machine.
func Entry(port int) Settings {
	return Settings{"host": "127.0.0.1", "port": port, "addressing_style": "path", "access_key": StoreKey, "secret_key": StoreSecret}
}

// Log is a log that tests can read meanwhile.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Logger writes to the log.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is what was logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
