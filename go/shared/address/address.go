// Package address says where the shared state of a fleet is and how to get in.
// It opens no connection.
package address

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"osp/go/secret"
)

// Ports where an address names none.
const (
	serverPort   = "6379"
	sentinelPort = "26379"
)

// What can be wrong with an address. None of them quotes it.
var (
	errScheme   = errors.New("must begin with valkey://, valkeys://, redis:// or rediss://, of which each may have +sentinel or +cluster before its colon, or with unix://")
	errPassword = errors.New("must not hold a password: give shared_password")
	errHost     = errors.New("must name a host, or several with commas between them for +sentinel and +cluster")
	errDatabase = errors.New("must end with nothing or the number of a database, such as /0")
	errMaster   = errors.New("must end with the name of the master, such as /mymaster")
	errQuery    = errors.New("must not have a query or a fragment")
	errSocket   = errors.New("must have the absolute path of a socket after unix://")
)

// Address is where a Valkey or Redis is.
type Address struct {
	Hosts    []string // HOST:PORT; one, unless there is a Master or Cluster
	Socket   string   // path of a unix socket, instead of Hosts
	Master   string   // that sentinels at Hosts know
	Cluster  bool
	Database int

	TLS      bool
	User     string
	Password secret.Value
	CA       string // PEM certificates to trust instead of the system's; empty: the system's
	Cert     string // PEM chain with which a replica shows who it is; empty: it does not
	Key      secret.Value
}

// Parse reads an address such as valkey://host:6379/0, rediss://user@host,
// unix:///run/valkey.sock, valkey+sentinel://a,b,c/name or
// valkey+cluster://a,b. Its error says what is wrong and quotes nothing.
func Parse(text string) (*Address, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return nil, errScheme
	}
	if strings.ContainsAny(rest, "?#") {
		return nil, errQuery
	}
	if scheme == "unix" {
		if !strings.HasPrefix(rest, "/") || strings.ContainsRune(rest, 0) {
			return nil, errSocket
		}
		return &Address{Socket: rest}, nil
	}
	kind, topology, plus := strings.Cut(scheme, "+")
	a := &Address{TLS: kind == "valkeys" || kind == "rediss", Cluster: topology == "cluster"}
	if !a.TLS && kind != "valkey" && kind != "redis" || plus && topology != "sentinel" && topology != "cluster" {
		return nil, errScheme
	}
	hosts, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		user, err := url.PathUnescape(hosts[:at])
		if err != nil || strings.Contains(hosts[:at], ":") {
			return nil, errPassword
		}
		a.User, hosts = user, hosts[at+1:]
	}
	if err := a.readHosts(hosts, topology); err != nil {
		return nil, err
	}
	if topology == "sentinel" {
		if path == "" || strings.Contains(path, "/") {
			return nil, errMaster
		}
		a.Master = path
		return a, nil
	}
	return a, a.readDatabase(path)
}

func (a *Address) readHosts(hosts, topology string) error {
	port := serverPort
	if topology == "sentinel" {
		port = sentinelPort
	}
	for host := range strings.SplitSeq(hosts, ",") {
		address, ok := withPort(host, port)
		if !ok {
			return errHost
		}
		a.Hosts = append(a.Hosts, address)
	}
	if topology == "" && len(a.Hosts) > 1 {
		return errHost
	}
	return nil
}

// readDatabase reads a number; a cluster has database 0 only.
func (a *Address) readDatabase(path string) error {
	if path == "" {
		return nil
	}
	n, err := strconv.ParseUint(path, 10, 16)
	if err != nil || a.Cluster && n != 0 {
		return errDatabase
	}
	a.Database = int(n)
	return nil
}

// withPort completes HOST or HOST:PORT, with IPv6 in brackets.
func withPort(host, port string) (string, bool) {
	name := host
	switch {
	case strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"):
		name = host[1 : len(host)-1]
	case strings.Contains(host, ":"):
		var err error
		if name, port, err = net.SplitHostPort(host); err != nil {
			return "", false
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || name == "" || strings.ContainsFunc(name, unfit) {
		return "", false
	}
	return net.JoinHostPort(name, port), true
}

func unfit(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\@,`, r) }
