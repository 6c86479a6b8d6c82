package shared

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"osp/go/secret"
)

const defaultPort = "6379"

var (
	errScheme   = errors.New("must begin with valkey://, valkeys://, redis://, rediss://, unix://, or one of the first four with +sentinel or +cluster before its colon")
	errPassword = errors.New("must not hold a password: give shared_password")
	errHost     = errors.New("must name a host, or several with commas between them for +sentinel and +cluster")
	errPath     = errors.New("must end with the number of a database (/0), or with the name of the master for +sentinel")
	errQuery    = errors.New("must not have a query or a fragment")
	errSocket   = errors.New("must have an absolute path to a socket after unix://")
)

// Address is where the shared state is, and how to get in.
type Address struct {
	TLS    bool
	option valkey.ClientOption
}

// Access is what an address does not say itself.
type Access struct {
	User     string
	Password secret.Value
	CA       string // PEM certificates to trust instead of the system's
	Cert     string // PEM chain with which the replica shows who it is
	Key      secret.Value
}

// ParseAddress reads an address such as valkey://host:6379/0,
// rediss://host, unix:///run/valkey.sock, valkey+sentinel://a,b,c/name or
// valkey+cluster://a,b. Its error says what is wrong and quotes nothing.
func ParseAddress(text string) (*Address, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return nil, errScheme
	}
	if scheme == "unix" {
		if !strings.HasPrefix(rest, "/") {
			return nil, errSocket
		}
		a := &Address{}
		a.option.InitAddress = []string{rest}
		a.option.DialCtxFn = func(ctx context.Context, path string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		}
		return a, nil
	}
	kind, topology, _ := strings.Cut(scheme, "+")
	a := &Address{TLS: kind == "valkeys" || kind == "rediss"}
	if !a.TLS && kind != "valkey" && kind != "redis" {
		return nil, errScheme
	}
	if strings.ContainsAny(rest, "?#") {
		return nil, errQuery
	}
	hosts, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		user, err := url.PathUnescape(hosts[:at])
		if err != nil || strings.Contains(user, ":") {
			return nil, errPassword
		}
		a.option.Username, hosts = user, hosts[at+1:]
	}
	return a, a.read(topology, hosts, path)
}

func (a *Address) read(topology, hosts, path string) error {
	for host := range strings.SplitSeq(hosts, ",") {
		address, ok := withPort(host, topology)
		if !ok {
			return errHost
		}
		a.option.InitAddress = append(a.option.InitAddress, address)
	}
	switch topology {
	case "sentinel":
		if path == "" || strings.Contains(path, "/") {
			return errPath
		}
		a.option.Sentinel.MasterSet = path
		return nil
	case "cluster":
		if path != "" && path != "0" {
			return errPath
		}
		a.option.ShuffleInit = true
		return nil
	case "":
		a.option.ForceSingleClient = true
		if len(a.option.InitAddress) != 1 {
			return errHost
		}
		return a.readDatabase(path)
	default:
		return errScheme
	}
}

func (a *Address) readDatabase(path string) error {
	if path == "" {
		return nil
	}
	n, err := strconv.ParseUint(path, 10, 16)
	if err != nil {
		return errPath
	}
	a.option.SelectDB = int(n)
	return nil
}

// withPort completes HOST or HOST:PORT; IPv6 in brackets.
func withPort(host, topology string) (string, bool) {
	port := defaultPort
	if topology == "sentinel" {
		port = "26379"
	}
	name := host
	if h, p, err := net.SplitHostPort(host); err == nil {
		name, port = h, p
	} else {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
		if strings.Contains(name, ":") && !strings.HasPrefix(host, "[") {
			return "", false
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || name == "" || strings.ContainsAny(name, " \t/\\@") {
		return "", false
	}
	return net.JoinHostPort(name, port), true
}

// With completes an address with what it does not say itself. The certificates
// have been checked.
func (a *Address) With(access Access) *Address {
	b := *a
	if access.User != "" {
		b.option.Username = access.User
	}
	b.option.Password = access.Password.Reveal()
	if a.TLS {
		b.option.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if access.CA != "" {
			b.option.TLSConfig.RootCAs = x509.NewCertPool()
			b.option.TLSConfig.RootCAs.AppendCertsFromPEM([]byte(access.CA))
		}
		if pair, err := tls.X509KeyPair([]byte(access.Cert), []byte(access.Key.Reveal())); err == nil {
			b.option.TLSConfig.Certificates = []tls.Certificate{pair}
		}
	}
	if b.option.Sentinel.MasterSet != "" {
		b.option.Sentinel.Username, b.option.Sentinel.Password = b.option.Username, b.option.Password
		b.option.Sentinel.TLSConfig = b.option.TLSConfig
	}
	return &b
}

// dialTimeout bounds how long a connection takes to be established.
const dialTimeout = time.Second

// options are those of the client: it repeats nothing, remembers nothing, and
// has small buffers.
func (a *Address) options(timeout time.Duration) valkey.ClientOption {
	o := a.option
	o.ClientName = "object-storage-proxy"
	o.DisableRetry, o.DisableCache = true, true
	o.Dialer = net.Dialer{Timeout: dialTimeout, KeepAlive: time.Second}
	o.ConnWriteTimeout = max(timeout, Lease/4)
	o.ReadBufferEachConn, o.WriteBufferEachConn = 32<<10, 32<<10
	o.RingScaleEachConn = 8
	o.PipelineMultiplex = 0
	return o
}
