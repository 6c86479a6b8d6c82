package config

import (
	"strings"

	"osp/go/secret"
	"osp/go/stores"
	"osp/go/wire"
)

// entry is one of cos_map while it is read.
type entry struct{ *stores.Bucket }

func (c *Config) readBucket(name string, v *value, governed bool) *stores.Bucket {
	b := entry{&stores.Bucket{Name: name, Remote: name, Region: defaultRegion, TTL: defaultTTL}}
	isPattern := strings.Contains(name, "*")
	complaint := checkBucketName(name)
	if isPattern {
		complaint = checkPattern(name)
	}
	if complaint != "" {
		v.reject("%s", complaint)
	}
	d := v.dict()
	if d == nil {
		return b.Bucket
	}
	b.readStore(d)
	b.Transport = readTransport(d, c.VerifyTLS)
	b.readCredentials(d)
	b.readRole(d)
	b.readDialect(d)
	b.readNames(d, isPattern)
	b.Policy = readPolicy(d.take("policy"))
	b.Bearer, _ = d.take("bearer").str()
	b.Limits = readEntryLimits(d.take("limits"))
	b.Connections, _ = d.take("connections").integer(1, maxConnections)
	b.readLimits(d, c.Has("validator") || governed || d.fields["policy"] != nil)
	if ttl, ok := d.take("ttl", "time-to-live").seconds(0, wire.LongestTTL); ok {
		b.TTL = ttl
	}
	b.VerifyChecksums = !b.APIKey.Empty() || b.IBM // IBM does not take checksum trailers
	if mode, ok := d.take("checksums").oneOf("forward", "verify"); ok {
		b.VerifyChecksums = mode == "verify"
	}
	b.Tokens = b.TokenKey()
	d.finish()
	return b.Bucket
}

func (b entry) readStore(d *dict) {
	isIP := false
	if v := d.need("host"); v != nil {
		b.Host, isIP = readStoreHost(v)
	}
	b.Port, _ = d.need("port").integer(1, maxPort)
	if region, ok := d.take("region").str(); ok {
		b.Region = region
	}
	b.TLS = b.Port == 443
	if on, ok := d.take("is_tls_enabled", "tls").boolean(); ok {
		b.TLS = on
	}
	// Nobody resolves bucket.127.0.0.1: for addresses the default is "path".
	b.VirtualStyle = !isIP
	style := d.take("addressing_style", "addressingStyle")
	if s, ok := style.oneOf("virtual", "path"); ok {
		b.VirtualStyle = s == "virtual"
		if b.VirtualStyle && isIP {
			style.reject(`must be "path" when the host is an IP address`)
		}
	}
}

// readDialect reads how far the store can be trusted to be S3, where its host
// does not tell, or the owner knows better.
func (b entry) readDialect(d *dict) {
	b.Dialect = stores.DialectOf(b.Host)
	if keys, ok := d.take("keys").oneOf("opaque", "path"); ok {
		b.OpaqueKeys = keys == "opaque"
	}
	if complete, ok := d.take("complete").boolean(); ok {
		b.Complete = complete
	}
	b.UnknownOperations, _ = d.take("unknown_operations").boolean()
}

func (b entry) readCredentials(d *dict) {
	access, secretKey := d.take("access_key", "accessKey"), d.take("secret_key", "secretKey")
	switch {
	case access == nil && secretKey != nil:
		d.mistakes.add(d.at("access_key"), "is required with secret_key")
	case access != nil && secretKey == nil:
		d.mistakes.add(d.at("secret_key"), "is required with access_key")
	}
	b.AccessKey, _ = access.str()
	if s, ok := secretKey.str(); ok {
		b.SecretKey = secret.New(s)
	}
	if s, ok := d.take("api_key", "apikey").str(); ok {
		b.APIKey = secret.New(s)
	}
}

// readNames reads what clients see of the store's bucket.
func (b entry) readNames(d *dict, isPattern bool) {
	remote := d.take("bucket")
	if s, ok := remote.str(); ok {
		b.Remote = s
		complaint := checkBucketName(s)
		if isPattern {
			complaint = "can't be set for a pattern, which stands for many buckets"
		}
		if complaint != "" {
			remote.reject("%s", complaint)
		}
	}
	prefix := d.take("prefix")
	if s, ok := prefix.str(); ok {
		b.Prefix = strings.TrimSuffix(s, "/") + "/"
		if complaint := checkPrefix(b.Prefix, b.OpaqueKeys); complaint != "" {
			prefix.reject("%s", complaint)
		}
	}
}

// readLimits reads what may be done in the bucket. decides tells that there is a
// policy or a validator.
func (b entry) readLimits(d *dict, decides bool) {
	b.ReadOnly, _ = d.take("read_only").boolean()
	anonymous := d.take("anonymous")
	if b.Anonymous, _ = anonymous.boolean(); b.Anonymous && !decides {
		anonymous.reject("needs a policy or a validator, which decides what clients without a signature may read")
	}
}

// checkPrefix returns what is wrong with a folder that clients are kept in.
func checkPrefix(prefix string, opaqueKeys bool) string {
	const longest = 512 // leaves clients as much again for their own keys
	if len(prefix) > longest {
		return "must have at most 512 bytes"
	}
	if strings.ContainsFunc(prefix, wire.IsControl) {
		return "must not have control characters"
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(prefix, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return `must be a folder such as "team/data/": no empty segment, no "." and no ".."`
		}
	}
	if !opaqueKeys && stores.Misread(prefix) {
		return `must be a folder that the store takes for no other: no backslash and no name that stores have for themselves, unless "keys" are "opaque"`
	}
	return ""
}

// checkBucketName is lenient, as stores are: 3 to 255 bytes, as S3 once took
// them (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html),
// and nothing that could mean another path. It returns what is wrong.
func checkBucketName(name string) string {
	switch {
	case len(name) < 3 || len(name) > 255:
		return "a bucket name must have 3 to 255 characters"
	case strings.ContainsAny(name, "/\\ ?#") || strings.ContainsFunc(name, wire.IsControl):
		return "a bucket name must not have a slash, space, question mark, hash or control character"
	case strings.Trim(name, ".") == "":
		return "a bucket name must not consist of dots"
	}
	return ""
}
