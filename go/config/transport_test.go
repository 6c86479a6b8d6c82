package config

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"osp/go/stores"
)

func TestHowAStoreIsReached(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return strconv.Quote(path)
	}
	nonsense := write("nonsense.pem", "no PEM at all")
	for entry, want := range map[string]string{
		`"ca_file": ` + nonsense:          `ca_file: must name a file with PEM certificates`,
		`"ca_file": "/does/not/exist"`:    `ca_file: cannot be read`,
		`"ca_file": 7`:                    `ca_file: must be a string`,
		`"client_cert_file": ` + nonsense: `client_key_file: is required with client_cert_file`,
		`"client_key_file": ` + nonsense:  `client_cert_file: is required with client_key_file`,
		`"connect_timeout": 0`:            `connect_timeout: must be between`,
		`"answer_timeout": "1"`:           `answer_timeout: must be a number of seconds`,
		`"trust_env": "yes"`:              `trust_env: must be True or False`,
		`"client_cert_file": ` + nonsense + `, "client_key_file": ` + nonsense: `client_cert_file: must name a file with a PEM certificate`,
	} {
		_, err := running.ParseUpdate([]byte(`{"cos_map": {"bkt": {"host": "h", "port": 1, `+entry+`}}}`), Running{})
		if err == nil || !strings.Contains(err.Error(), `cos_map["bkt"].`+want) || strings.Contains(err.Error(), "exist\"") {
			t.Errorf("%s: got %v, want %s", entry, err, want)
		}
	}
	b := storesOf(t, `{"bkt": {"host": "h", "port": 1, "connect_timeout": 0.5, "answer_timeout": 90, "trust_env": true}}`).Buckets.Find("bkt")
	if want := (stores.Transport{VerifyTLS: true, TrustEnv: true, ConnectTimeout: 500 * time.Millisecond, AnswerTimeout: 90 * time.Second}); b.Transport != want {
		t.Errorf("got %+v", b.Transport)
	}
}

func TestAFileThatWaitsForAWriterIsRefused(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, keys := range []string{`"ca_file": %`, `"client_cert_file": %, "client_key_file": %`} {
		entry := strings.ReplaceAll(keys, "%", strconv.Quote(fifo))
		_, err := running.ParseUpdate([]byte(`{"cos_map": {"bkt": {"host": "h", "port": 1, `+entry+`}}}`), Running{})
		if err == nil || !strings.Contains(err.Error(), "cannot be read: not a regular file") {
			t.Errorf("%s: got %v", keys, err)
		}
	}
	file := strconv.Quote(fifo)
	_, err := Parse([]byte(with("http_port", "null", "https_port", "0", "tls_cert_path", file, "tls_key_path", file, "tls_client_ca_path", file)))
	if err == nil || strings.Count(err.Error(), "cannot be read: not a regular file") != 3 {
		t.Errorf("the front: got %v", err)
	}
	if _, err := (&TLS{Cert: fifo, Key: fifo}).Load(); !errors.Is(err, errNotRegular) {
		t.Errorf("read anew: got %v", err)
	}
}
