package stores

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"osp/go/limits"
	"osp/go/policy"
	"osp/go/secret"
	"osp/go/wire"
)

// Set is the part of a configuration that may change while a server runs.
type Set struct {
	Buckets  Buckets
	Keystore map[string]secret.Value   // client access key -> secret key
	Policy   *policy.Policy            // for all entries; nil: there is none
	Shadow   *policy.Policy            // in its place, to the shadow; nil: there is none
	Roles    map[string]*policy.Policy // of each role the policy that bounds it; nil: it has none
	Limits   *limits.Rules             // nil: there are none but those of entries
}

// Governed reports whether there is a policy that decides, be it that of one entry.
func (s *Set) Governed() bool { return s.Policy != nil || s.Buckets.governed }

// Buckets are the entries of cos_map.
type Buckets struct {
	exact    map[string]*Bucket // by the name that clients say
	patterns []*Bucket          // most literal characters first
	governed bool               // some entry has a policy
}

// NewBuckets takes entries in the order of their names.
func NewBuckets(entries []*Bucket) Buckets {
	out := Buckets{exact: make(map[string]*Bucket, len(entries))}
	for _, b := range entries {
		out.governed = out.governed || b.Policy != nil
		if strings.Contains(b.Name, "*") {
			out.patterns = append(out.patterns, b)
		} else {
			out.exact[b.Name] = b
		}
	}
	// Stable: equally long ones stay in the order of their names.
	slices.SortStableFunc(out.patterns, func(a, b *Bucket) int { return cmp.Compare(len(b.Name), len(a.Name)) })
	return out
}

// Find returns the entry for a name that a client said, nil if there is none:
// the one with that very name, else the most specific pattern's, filled in.
func (b Buckets) Find(name string) *Bucket {
	if exact := b.exact[name]; exact != nil {
		return exact
	}
	for _, p := range b.patterns {
		if matches(p.Name, name) && plainName(name) && !reserved[strings.ToLower(name)] {
			name = strings.Clone(name) // caches keep it, and not the rest of the request
			filled := *p
			filled.Name, filled.Remote, filled.entry = name, name, p
			return &filled
		}
	}
	return nil
}

// Names are the names that have an entry of their own, sorted.
func (b Buckets) Names() []string { return slices.Sorted(maps.Keys(b.exact)) }

// Entries are all of them, patterns included, in the order of their names.
func (b Buckets) Entries() []*Bucket {
	all := append(slices.Collect(maps.Values(b.exact)), b.patterns...)
	slices.SortFunc(all, func(a, b *Bucket) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Keep puts the entries of before in the place of equal ones.
func (b Buckets) Keep(before Buckets) {
	for name, entry := range b.exact {
		if old := before.exact[name]; old != nil && same(old, entry) {
			b.exact[name] = old
		}
	}
	for i, entry := range b.patterns {
		for _, old := range before.patterns {
			if same(old, entry) {
				b.patterns[i] = old
			}
		}
	}
}

// same reports whether two entries say the same.
func same(a, b *Bucket) bool {
	other := *b
	if a.Policy.Same(b.Policy) {
		other.Policy = a.Policy
	}
	if a.Limits.Same(b.Limits) {
		other.Limits = a.Limits
	}
	return *a == other
}

// matches reports whether a name fits a pattern with one star, which stands
// for any text, also none.
func matches(pattern, name string) bool {
	before, after, _ := strings.Cut(pattern, "*")
	return len(name) >= len(pattern)-1 && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
}

// plainName reports whether a client's name for a bucket may go to a store
// that nobody listed by name. It becomes a part of a host name there, so it
// keeps to the rules of S3
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html),
// and to the capitals and underscores of older buckets. What AWS reserves for other
// names of a bucket, such as its access points, is none.
func plainName(name string) bool {
	lower := strings.ToLower(name)
	if slices.ContainsFunc(otherNames, func(ending string) bool { return strings.HasSuffix(lower, ending) }) {
		return false
	}
	return len(name) >= 3 && len(name) <= 63 && !strings.Contains(name, "..") && name[0] != '.' && name[len(name)-1] != '.' &&
		!strings.ContainsFunc(name, func(r rune) bool { return r != '.' && wire.NotInLabel(r) })
}

// otherNames are how those end.
var otherNames = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}

// reserved are names that some store has for itself, where a bucket in path
// style would be: MinIO's interfaces for admins, Ceph's for admins and for
// Swift, versitygw's for admins and its parts of uploads, what answers for health and metrics. They
// are no buckets under a pattern; an entry with that very name says otherwise.
var reserved = map[string]bool{
	"minio": true, ".minio.sys": true, "admin": true, "swift": true, "auth": true, ".sgwtmp": true, ".uploads": true,
	"health": true, "healthz": true, "healthcheck": true, "livez": true, "readyz": true, "status": true, "info": true,
	"metrics": true, "debug": true, "crossdomain.xml": true, "rustfs": true, "recon": true, "endpoints": true,
	"create-user": true, "delete-user": true, "update-user": true, "list-users": true, "change-bucket-owner": true, "list-buckets": true,
	"moto-api": true, "_aws": true, "_localstack": true,
}
