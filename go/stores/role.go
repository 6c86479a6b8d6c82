package stores

import (
	"net"
	"strconv"
	"strings"
	"time"
	"unique"

	"osp/go/secret"
)

// Role is what an entry assumes at a token service (STS) to get keys for its store.
// Those who assume it prove who they are by a token in a file, or sign with a key
// pair.
type Role struct {
	ARN         string
	SessionName string
	ExternalID  string        // goes with AccessKey; may be empty
	Duration    time.Duration // that is asked for

	Endpoint  string // URL of the token service
	Region    string // that requests to it are signed for
	Transport        // how it is reached

	TokenFile string // absolute path, or empty
	AccessKey string // without TokenFile
	SecretKey secret.Value
}

// RoleHandle stands for a Role: equal ones have the same, so that entries share what
// is assumed for them. The zero RoleHandle stands for none.
type RoleHandle struct{ h unique.Handle[Role] }

// Handle returns the handle of a role.
func (r Role) Handle() RoleHandle { return RoleHandle{unique.Make(r)} }

// None reports whether the handle stands for no role.
func (h RoleHandle) None() bool { return h == RoleHandle{} }

// Role returns what a handle that is not zero stands for.
func (h RoleHandle) Role() Role { return h.h.Value() }

// TokenService returns the URL of the token service that belongs to the store: that
// of the region at AWS. MinIO and Ceph are their own.
func (b *Bucket) TokenService() string {
	switch {
	case awsHosts.MatchString(b.Host) && strings.HasSuffix(b.Host, ".cn"):
		return "https://sts." + b.Region + ".amazonaws.com.cn"
	case awsHosts.MatchString(b.Host):
		return "https://sts." + b.Region + ".amazonaws.com"
	}
	scheme := "http://"
	if b.TLS {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(b.Host, strconv.Itoa(b.Port))
}
