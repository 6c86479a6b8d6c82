package config

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/url"
	"strings"
	"time"

	"osp/go/callbacks"
	"osp/go/roles"
	"osp/go/secret"
	"osp/go/wire"
)

const (
	maxPort        = 65535
	maxThreads     = 1024
	maxCallbacks   = 100_000
	maxConnections = 1 << 20
	maxEntries     = 10_000_000 // of a cache: past that it is a typing error
	maxTimeout     = 24 * time.Hour

	tokenPath = "/identity/token" // of IBM's token service
)

// Parse reads the JSON object that Python sends: the parameters of
// ProxyServerConfig by name, with a value for each that has a default other than
// None, but in the place of the owner's functions the list callbacks, the names
// of those that were given, validator_sees_request and shadow_validator_sees_request. The error is a
// *MistakesError with all the mistakes.
func Parse(data []byte) (*Config, error) {
	mistakes := &MistakesError{}
	top := decode(data, mistakes)
	if top == nil {
		return nil, mistakes
	}
	c := &Config{IAMEndpoint: readEndpoint(top.take("iam_endpoint"))}
	c.readCallbacks(top)
	c.readStores(top)
	c.readFronts(top)
	c.readLimits(top)
	c.readLogs(top)
	c.readShared(top)
	c.Roles = readIdentities(top, roles.Settings{})
	c.Stores.Roles = boundsOf(c.Roles.Roles)
	c.checkBearers(mistakes, &c.Stores.Buckets, c.Roles)
	top.finish()
	if len(mistakes.Mistakes) > 0 {
		return nil, mistakes
	}
	return c, nil
}

func decode(data []byte, mistakes *MistakesError) *dict {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var raw any
	if err := dec.Decode(&raw); err != nil {
		mistakes.add("", "the configuration is not valid JSON") // err would quote it
		return nil
	}
	if _, err := dec.Token(); err != io.EOF {
		mistakes.add("", "the configuration is not one JSON object")
		return nil
	}
	fields, ok := raw.(map[string]any)
	if !ok {
		mistakes.add("", "the configuration must be a dict, got %s", kind(raw))
		return nil
	}
	return &dict{mistakes: mistakes, fields: fields}
}

func (c *Config) readStores(top *dict) {
	verify, given := top.take("verify").boolean()
	c.VerifyTLS = verify || !given
	c.Stores.Policy = readPolicy(top.take("policy"))
	c.Stores.Shadow = readPolicy(top.take("shadow_policy"))
	c.Stores.Limits = c.readRules(top.take("limits")).OrNone()
	c.Stores.Buckets = c.readBuckets(top.need("cos_map"), top.fields["policy"] != nil)
	c.Stores.Keystore = readKeystore(top.take("hmac_keystore"))
}

func (c *Config) readFronts(top *dict) {
	c.Host = readListenHost(top.need("host"))
	c.MetricsHost = readListenHost(top.need("metrics_host"))
	for _, host := range top.take("metrics_hosts").items() {
		c.MetricsHosts = append(c.MetricsHosts, readListenHost(host))
	}
	c.HTTPPort = readPort(top, "http_port")
	c.HTTPSPort = readPort(top, "https_port")
	c.MetricsPort = readPort(top, "metrics_port")
	c.Unix = readSocketPath(top.take("unix_socket"))
	if top.fields["http_port"] == nil && top.fields["https_port"] == nil && top.fields["unix_socket"] == nil {
		top.mistakes.add("http_port", "is required, or https_port, or unix_socket")
	}
	requireDifferent(top.mistakes, "https_port", c.HTTPSPort, "http_port", c.HTTPPort)
	requireDifferent(top.mistakes, "metrics_port", c.MetricsPort, "http_port", c.HTTPPort)
	requireDifferent(top.mistakes, "metrics_port", c.MetricsPort, "https_port", c.HTTPSPort)

	c.HTTP2, _ = top.need("http2").boolean()
	c.ReusePort, _ = top.take("reuse_port").boolean()
	cert, key, clientCA := top.take("tls_cert_path"), top.take("tls_key_path"), top.take("tls_client_ca_path")
	if top.fields["https_port"] != nil {
		c.TLS = readTLS(top.mistakes, cert, key, clientCA)
	} else if clientCA != nil {
		clientCA.reject("needs https_port: clients present certificates nowhere else")
	}
	c.ServerName = readServerName(top.need("server_name"))
	c.TrustedProxies = readPeers(top.take("trusted_proxies"))
	header := top.take("proxy_protocol")
	named, _ := top.fields["trusted_proxies"].([]any)
	if c.ProxyProtocol, _ = header.boolean(); c.ProxyProtocol && len(named) == 0 {
		header.reject("needs trusted_proxies: nobody else's header is honoured")
	}
	c.Domains = readDomains(top.take("domain"), top.take("domains").items())
}

func (c *Config) readLimits(top *dict) {
	c.Threads, _ = top.take("threads").integer(0, maxThreads)
	c.AccessCacheSize, _ = top.need("auth_cache_capacity").integer(1, maxEntries)
	c.MaxConnections, _ = top.take("max_connections").integer(1, maxConnections)
	c.CallbackConcurrency, _ = top.need("callback_concurrency").integer(1, maxCallbacks)
	c.CallbackQueue, _ = top.need("callback_queue").integer(0, maxEntries)
	c.CallbackTimeout, _ = top.need("callback_timeout").seconds(time.Millisecond, maxTimeout)
	c.DrainDelay, _ = top.need("drain_delay").seconds(0, maxTimeout)
	c.DrainTimeout, _ = top.need("drain_timeout").seconds(0, maxTimeout)
	c.SecretTTL, _ = top.need("hmac_ttl").seconds(0, wire.LongestTTL)
	c.SkipSignature, _ = top.take("skip_signature_validation").boolean()
	c.ShowReasons, _ = top.take("show_reasons").boolean()

	// None says "no limit" here; not to say it is a mistake.
	const presign = "max_presign_url_usage_attempts"
	if _, said := top.fields[presign]; !said {
		top.mistakes.add(presign, "is required")
	}
	c.PresignUses, _ = top.take(presign).integer(0, math.MaxInt32)
}

func (c *Config) readLogs(top *dict) {
	target := top.take("access_log")
	c.AccessLog, _ = target.str()
	if strings.ContainsRune(c.AccessLog, 0) {
		target.reject("must be a path without zero bytes")
	}
	c.AccessLogFormat, _ = top.need("access_log_format").oneOf(AccessLogFormats...)
}

func (c *Config) readCallbacks(top *dict) {
	for _, v := range top.take("auth_cache_by").items() {
		if name, ok := v.oneOf(CacheFields...); ok {
			c.AuthCacheBy = append(c.AuthCacheBy, name)
		}
	}
	for _, v := range top.take("callbacks").items() {
		if name, ok := v.oneOf(callbacks.Names()...); ok {
			c.Callbacks = append(c.Callbacks, name)
		}
	}
	c.ValidatorSeesRequest, _ = top.take("validator_sees_request").boolean()
	c.ShadowValidatorSeesRequest, _ = top.take("shadow_validator_sees_request").boolean()
	c.ShadowSample, _ = top.need("shadow_sample").share()
}

func readPort(d *dict, key string) *int {
	if n, ok := d.take(key).integer(0, maxPort); ok {
		return &n
	}
	return nil
}

func requireDifferent(m *MistakesError, path string, port *int, otherPath string, other *int) {
	if port != nil && other != nil && *port == *other && *port != 0 {
		m.add(path, "must differ from %s, got %d for both", otherPath, *port)
	}
}

func readKeystore(v *value) map[string]secret.Value {
	out := make(map[string]secret.Value)
	for _, item := range v.items() {
		d := item.dict()
		if d == nil {
			continue
		}
		d.private = true // {alice: secret} is how some write such a list
		accessKey := d.need("access_key")
		id, idOK := accessKey.str()
		key, keyOK := d.need("secret_key").str()
		d.finish()
		if !idOK || !keyOK {
			continue
		}
		held := secret.New(key)
		if before, twice := out[id]; twice && before != held {
			accessKey.reject("is already in the keystore, with another secret_key")
		}
		out[id] = held
	}
	return out
}

func readEndpoint(v *value) string {
	u := readURL(v)
	switch {
	case u == nil:
		return iamEndpoint
	case strings.Trim(u.Path, "/") == "": // the service's base URL, as IBM's own tools take it
		return u.Scheme + "://" + u.Host + tokenPath
	}
	return u.String()
}

// readURL reads the URL of a token service.
func readURL(v *value) *url.URL {
	s, ok := v.str()
	if !ok {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		v.reject("must be a URL that begins with https:// or http://")
		return nil
	case u.User != nil || u.Fragment != "" || u.RawQuery != "":
		v.reject("must be a URL without user, query and fragment")
		return nil
	}
	return u
}

// readServerName accepts what RFC 9110, section 5.5, allows in a field value,
// and an empty name, for which no header is sent.
func readServerName(v *value) string {
	if v == nil || v.raw == "" {
		return ""
	}
	s, ok := v.str()
	if !ok {
		return ""
	}
	if strings.ContainsFunc(s, wire.IsControl) || strings.TrimSpace(s) != s {
		v.reject("must be usable in a header: no control characters, no leading or trailing space")
	}
	return s
}
