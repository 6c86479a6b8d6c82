// Package config turns the JSON that Python sends into a validated Config. It
// reports every mistake at once, each with its path. It reads the files with
// certificates and policies and nothing else: it opens no socket and calls nobody.
package config

import (
	"slices"
	"time"

	"osp/go/peers"
	"osp/go/roles"
	"osp/go/seal"
	"osp/go/stores"
)

// What an entry of cos_map means where it says nothing. Parameters have their
// defaults in Python, where users see them, and come with them.
const (
	defaultRegion         = "us-east-1"
	defaultTTL            = 300 * time.Second
	defaultConnectTimeout = 10 * time.Second
	defaultAnswerTimeout  = 60 * time.Second
)

// iamEndpoint is IBM's own token service.
const iamEndpoint = "https://iam.cloud.ibm.com" + tokenPath

// Config is a complete, checked configuration. Fields are read-only after Parse.
type Config struct {
	Version string // of the program, from who starts it: for metrics and traces

	Host      string // address that the listeners bind, IPv6 without brackets
	HTTPPort  *int   // nil: no HTTP front; 0: any free port
	HTTPSPort *int   // nil: no HTTPS front; 0: any free port
	HTTP2     bool   // the HTTPS front speaks it, too
	ReusePort bool   // several processes may bind the same ports
	Unix      string // absolute path of a socket that speaks HTTP; empty: none
	TLS       *TLS   // of the HTTPS front

	Stores stores.Set     // as it starts
	Roles  roles.Settings // likewise

	ServerName      string   // the Server header of every answer; empty: none
	Threads         int      // GOMAXPROCS; 0: all that the process may use
	VerifyTLS       bool     // check the stores' certificates
	SkipSignature   bool     // development only: the client's signature is not checked
	PresignUses     int      // uses of one presigned URL; 0: no limit
	AccessCacheSize int      // decisions held
	MetricsHost     string   // address that the metrics front binds
	MetricsHosts    []string // names and addresses that the metrics front may be asked by, beside its own
	MetricsPort     *int     // nil: no metrics front; 0: any free port
	AccessLog       string   // "stderr", "python" or a file's path; empty: none
	AccessLogFormat string   // out of AccessLogFormats
	ShowReasons     bool     // a validator's reason goes to the client, too
	TrustedProxies  peers.Trusted
	ProxyProtocol   bool     // their connections begin with a header of the PROXY protocol
	Domains         []string // of virtual-hosted style clients, in lower case, longest first
	IAMEndpoint     string   // URL of IBM's token service

	MaxConnections int // of clients that are open at a time, of each front; 0: what fits the process

	CallbackConcurrency int           // callbacks that run at the same time
	CallbackQueue       int           // callbacks that may wait for their turn
	CallbackTimeout     time.Duration // from the question to the answer, waiting included
	DrainDelay          time.Duration // how long a stop that was announced still serves everybody
	DrainTimeout        time.Duration // how long a stop waits for requests in flight

	// Keyring seals session tokens, and what a fleet shares. Empty: the process has a
	// random key of its own.
	Keyring seal.Keyring

	Shared *Shared // with whom the process remembers; nil: it is alone

	SecretTTL time.Duration // of what hmac_fetcher says, unless that says it itself; 0: no caching

	Callbacks            []string // that the owner gave, out of callbacks.Names
	ValidatorSeesRequest bool     // it takes a request beside token and bucket
	// ShadowValidatorSeesRequest is the same of shadow_validator.
	ShadowValidatorSeesRequest bool
	ShadowSample               float64 // share of the questions that the shadow is asked about; 0: it is off
	// AuthCacheBy narrows by what a decision of a validator that sees the
	// request is cached: names out of CacheFields. Empty: by everything.
	AuthCacheBy []string
}

// Has reports whether the owner gave a callback.
func (c *Config) Has(callback string) bool { return slices.Contains(c.Callbacks, callback) }

// AccessLogFormats are the values of access_log_format.
var AccessLogFormats = []string{"json", "logfmt", "combined"}

// CacheFields are the names that auth_cache_by may hold.
var CacheFields = []string{"token", "bucket", "method", "path", "query", "source"}
