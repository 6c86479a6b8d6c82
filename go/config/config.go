// Package config turns the JSON that Python sends into a validated Config. It
// reports every mistake at once, each with its path. It reads the certificate
// files and nothing else: it opens no socket and calls nobody.
package config

import (
	"crypto/tls"
	"net/netip"
	"time"

	"osp/go/secret"
)

// What a configuration means when it does not say.
const (
	DefaultHost               = "0.0.0.0"
	DefaultServerName         = "<osp⚡>"
	DefaultRegion             = "us-east-1"
	DefaultIAMEndpoint        = "https://iam.cloud.ibm.com/identity/token"
	DefaultThreads            = 1
	DefaultPresignUses        = 3
	DefaultAccessCacheSize    = 1024
	DefaultCallbackQueue      = 10_000
	DefaultCallbackConcurrent = 32
	DefaultCallbackTimeout    = 30 * time.Second
	DefaultDrainTimeout       = 30 * time.Second
	DefaultTTL                = 300 * time.Second
)

// Config is a complete, checked configuration. Fields are read-only after Parse.
type Config struct {
	Host      string // address that the listeners bind, IPv6 without brackets
	HTTPPort  *int   // nil: no HTTP front; 0: any free port
	HTTPSPort *int   // nil: no HTTPS front; 0: any free port
	TLS       *tls.Certificate

	Buckets  map[string]*Bucket      // by the name that clients say
	Keystore map[string]secret.Value // client access key -> secret key

	ServerName      string // the Server header of every answer; empty: none
	Threads         int    // GOMAXPROCS; 0: all that the process may use
	SkipSignature   bool   // development only: the client's signature is not checked
	PresignUses     int    // uses of one presigned URL; 0: no limit
	AccessCacheSize int    // decisions held
	MetricsPort     *int   // nil: no metrics front; 0: any free port
	TrustedProxies  []netip.Prefix
	IAMEndpoint     string // URL of IBM's token service

	CallbackConcurrency int           // callbacks that run at the same time
	CallbackQueue       int           // callbacks that may wait for their turn
	CallbackTimeout     time.Duration // from the question to the answer, waiting included
	DrainTimeout        time.Duration // how long a stop waits for requests in flight

	// What callables the owner gave.
	HasValidator, ValidatorSeesRequest, HasBucketCreds, HasSecretFetcher bool
	// AuthCacheBy narrows by what a decision of a validator that sees the
	// request is cached: names out of CacheFields. Empty: by everything.
	AuthCacheBy []string
}

// CacheFields are the names that auth_cache_by may hold.
var CacheFields = []string{"token", "bucket", "method", "path", "query", "source"}

// Bucket is one entry of cos_map: a client's bucket name and its store.
//
// An entry may hold an HMAC pair and an API key at once; the pair wins.
type Bucket struct {
	Name         string
	Host         string // without port; IPv6 without brackets
	Port         int
	Region       string
	TLS          bool
	VerifyTLS    bool // check the store's certificate
	VirtualStyle bool // bucket in the host name; otherwise in the path

	AccessKey string       // static HMAC credentials, or empty
	SecretKey secret.Value // goes with AccessKey
	APIKey    secret.Value // static IBM API key, or empty

	TTL             time.Duration // of decisions and credentials; 0: no caching
	VerifyChecksums bool          // verify trailing checksums here and drop them, instead of forwarding
}
