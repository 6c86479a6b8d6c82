package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"osp/go/secret"
)

// ibmSuffix ends every public host name of IBM Cloud Object Storage, which
// does not take checksum trailers.
const ibmSuffix = ".cloud-object-storage.appdomain.cloud"

const maxTTL = 365 * 24 * time.Hour

func readBuckets(v *value, verifyTLS bool) map[string]*Bucket {
	all := v.dict()
	if all == nil {
		return nil
	}
	out := make(map[string]*Bucket, len(all.fields))
	for _, name := range slices.Sorted(maps.Keys(all.fields)) {
		entry := &value{v.mistakes, v.path + "[" + strconv.Quote(shorten(name)) + "]", all.fields[name]}
		b := readBucket(name, entry)
		b.VerifyTLS = verifyTLS
		out[name] = b
	}
	return out
}

func readBucket(name string, entry *value) *Bucket {
	b := &Bucket{Name: name, Region: DefaultRegion, TTL: DefaultTTL}
	if complaint := checkBucketName(name); complaint != "" {
		entry.reject("%s", complaint)
	}
	d := entry.dict()
	if d == nil {
		return b
	}
	b.readStore(d)
	b.readCredentials(d)
	if ttl, ok := d.take("ttl", "time-to-live").seconds(0, maxTTL); ok {
		b.TTL = ttl
	}
	b.VerifyChecksums = !b.APIKey.Empty() || strings.HasSuffix(b.Host, ibmSuffix)
	if mode, ok := d.take("checksums").oneOf("forward", "verify"); ok {
		b.VerifyChecksums = mode == "verify"
	}
	d.finish()
	return b
}

func (b *Bucket) readStore(d *dict) {
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

func (b *Bucket) readCredentials(d *dict) {
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

// checkBucketName is lenient, as stores are: 3 to 255 bytes, as S3 once took
// them (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html),
// and nothing that could mean another path. It returns what is wrong.
func checkBucketName(name string) string {
	switch {
	case len(name) < 3 || len(name) > 255:
		return "a bucket name has 3 to 255 characters"
	case strings.ContainsAny(name, "/\\ ?#") || strings.ContainsFunc(name, isControl):
		return "a bucket name has no slash, space, question mark, hash or control character"
	case strings.Trim(name, ".") == "":
		return "a bucket name does not consist of dots"
	}
	return ""
}
