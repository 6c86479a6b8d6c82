package config

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"osp/go/config/configtest"
	"osp/go/peers"
	"osp/go/stores"
)

// with is a configuration that says no more than it must, with some fields
// changed or added: each a name and its JSON.
func with(changes ...string) string {
	fields := map[string]any{"cos_map": json.RawMessage(`{"photos": {"host": "s3.example.com", "port": 443}}`)}
	for i := 0; i < len(changes); i += 2 {
		fields[changes[i]] = json.RawMessage(changes[i+1])
	}
	return string(configtest.Document(fields))
}

func mistakesOf(t *testing.T, data string) []string {
	t.Helper()
	c, err := Parse([]byte(data))
	if err == nil {
		return nil
	}
	if c != nil {
		t.Error("a configuration comes with the mistakes")
	}
	var m *MistakesError
	if !errors.As(err, &m) {
		t.Fatalf("not a *MistakesError: %v", err)
	}
	out := make([]string, len(m.Mistakes))
	for i, one := range m.Mistakes {
		out[i] = one.String()
	}
	return out
}

func parsed(t *testing.T, data string) *Config {
	t.Helper()
	c, err := Parse([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNothingIsOnThatIsNotSaid(t *testing.T) {
	c := parsed(t, with())
	if c.HTTPSPort != nil || c.ReusePort || c.TLS != nil || c.MetricsPort != nil || c.AccessLog != "" || c.Threads != 0 || c.SkipSignature ||
		c.MaxConnections != 0 || !c.TrustedProxies.None() || c.ProxyProtocol || c.Unix != "" || c.AuthCacheBy != nil || c.ShowReasons ||
		c.Callbacks != nil || c.ValidatorSeesRequest || len(c.Stores.Keystore) != 0 ||
		c.IAMEndpoint != "https://iam.cloud.ibm.com/identity/token" || !c.VerifyTLS {
		t.Errorf("got %+v", c)
	}
}

func TestAnEntryHasItsDefaults(t *testing.T) {
	b := parsed(t, with()).Stores.Buckets.Find("photos")
	want := stores.Bucket{Name: "photos", Remote: "photos", Host: "s3.example.com", Port: 443, Region: "us-east-1", TLS: true, VirtualStyle: true, TTL: 300 * time.Second,
		Transport: stores.Transport{VerifyTLS: true, ConnectTimeout: 10 * time.Second, AnswerTimeout: time.Minute}}
	if *b != want {
		t.Errorf("got %+v", b)
	}
}

// Python says what they are if its user does not; a second default here could be another one.
func TestParametersHaveNoDefaultsHere(t *testing.T) {
	required := []string{
		"shadow_sample", "cos_map", "host", "metrics_host", "http2", "server_name", "auth_cache_capacity", "callback_concurrency", "callback_queue",
		"callback_timeout", "drain_delay", "drain_timeout", "hmac_ttl", "max_presign_url_usage_attempts", "access_log_format", "shared_timeout", "shared_namespace", "shared_uses",
	}
	var want []string
	for _, name := range required {
		want = append(want, name+": is required")
	}
	if got := mistakesOf(t, `{"http_port": 0}`); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	for _, name := range required {
		got := mistakesOf(t, with(name, "null"))
		if name == "max_presign_url_usage_attempts" { // where None is no limit
			want = nil
		} else {
			want = []string{name + ": is required"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestNoneMeansNotGivenWhereNothingIsRequired(t *testing.T) {
	names := []string{
		"hmac_keystore", "https_port", "threads", "verify", "skip_signature_validation", "metrics_port", "tls_cert_path", "tls_key_path",
		"trusted_proxies", "iam_endpoint", "max_connections", "auth_cache_by", "callbacks", "validator_sees_request", "shadow_validator_sees_request", "shadow_policy", "domain", "domains", "show_reasons",
		"metrics_hosts", "access_log", "reuse_port", "tls_client_ca_path", "unix_socket", "proxy_protocol",
		"shared_state", "shared_keys", "shared_user", "shared_password", "shared_ca_file", "shared_cert_file", "shared_key_file", "shared_required", "state_version",
	}
	var changes []string
	for _, n := range names {
		changes = append(changes, n, "null")
	}
	changes = append(changes, "cos_map", `{"photos": {"host": "s3.example.com", "port": 443, "region": null, "api_key": null, "apikey": null,
		"access_key": null, "accessKey": null, "secret_key": null, "secretKey": null, "ttl": null, "time-to-live": null,
		"addressing_style": null, "addressingStyle": null, "is_tls_enabled": null, "tls": null, "checksums": null, "bucket": null, "prefix": null, "read_only": null, "anonymous": null,
		"ca_file": null, "client_cert_file": null, "client_key_file": null, "trust_env": null, "connect_timeout": null, "answer_timeout": null, "assume_role_arn": null, "role_session_name": null, "external_id": null,
		"sts_endpoint": null, "web_identity_token_file": null, "assume_role_duration": null}}`)
	if got, want := parsed(t, with(changes...)), parsed(t, with()); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEveryFieldArrives(t *testing.T) {
	c := parsed(t, `{
		"cos_map": {
			"aws-bucket": {"host": "S3.eu-west-3.amazonaws.com", "port": 443, "region": "eu-west-3", "accessKey": "AK", "secretKey": "SK", "ttl": 0},
			"ibm-bucket": {"host": "s3.eu-de.cloud-object-storage.appdomain.cloud", "port": 443, "apikey": "KEY", "time-to-live": 1.5},
			"lab-bucket": {"host": "[::1]", "port": 9000, "tls": true, "addressingStyle": "path", "checksums": "verify"}},
		"hmac_keystore": [{"access_key": "one", "secret_key": "s1"}, {"access_key": "two/with slash", "secret_key": "s2"}],
		"http_port": 0, "https_port": null, "host": "[::1]", "http2": true, "reuse_port": true, "threads": 4, "verify": false, "skip_signature_validation": true,
		"server_name": "mine", "auth_cache_capacity": 7, "max_presign_url_usage_attempts": 9, "metrics_port": 0,
		"metrics_host": "[::]", "metrics_hosts": ["osp.svc", "[::2]"], "access_log": "/var/log/osp.log", "access_log_format": "logfmt",
		"trusted_proxies": ["10.1.2.3/8", "::ffff:192.0.2.1", "unix"], "proxy_protocol": true, "unix_socket": "/run/osp/s3.sock", "iam_endpoint": "http://127.0.0.1:9/token",
		"callback_concurrency": 3, "max_connections": 20000, "callback_timeout": 0.25, "callback_queue": 0, "drain_delay": 0.5, "drain_timeout": 2, "hmac_ttl": 0, "auth_cache_by": ["token", "path"],
		"callbacks": ["validator", "bucket_creds_fetcher", "hmac_fetcher"], "validator_sees_request": true,
		"shadow_validator_sees_request": true, "shadow_sample": 0.25, "shadow_policy": `+allows+`,
		"shared_state": "rediss://cache:7000/2", "shared_keys": ["k2:`+strings.Repeat("A", 43)+`="], "shared_namespace": "lake", "shared_timeout": 0.05, "shared_uses": "local",
		"shared_user": "osp", "shared_password": "word", "shared_required": true, "state_version": "7"}`)
	s := c.Shared
	if a := s.Address; !reflect.DeepEqual(a.Hosts, []string{"cache:7000"}) || a.Database != 2 || !a.TLS || a.User != "osp" || a.Password.Reveal() != "word" ||
		s.Namespace != "lake" || s.Version != "7" || s.Timeout != 50*time.Millisecond || !s.LocalUses || !s.Required || s.Keyring.Empty() {
		t.Errorf("got %+v", s)
	}
	if c.Host != "::1" || *c.HTTPPort != 0 || !c.HTTP2 || !c.ReusePort || c.Unix != "/run/osp/s3.sock" || !c.ProxyProtocol || c.Threads != 4 || !c.SkipSignature || c.ServerName != "mine" || c.AccessCacheSize != 7 ||
		c.MetricsHost != "::" || c.AccessLog != "/var/log/osp.log" || c.AccessLogFormat != "logfmt" ||
		c.PresignUses != 9 || *c.MetricsPort != 0 || c.IAMEndpoint != "http://127.0.0.1:9/token" || c.CallbackConcurrency != 3 ||
		c.CallbackTimeout != 250*time.Millisecond || c.CallbackQueue != 0 || c.MaxConnections != 20_000 || c.DrainDelay != 500*time.Millisecond || c.DrainTimeout != 2*time.Second || c.SecretTTL != 0 ||
		!c.ValidatorSeesRequest || !c.ShadowValidatorSeesRequest || c.ShadowSample != 0.25 || c.Stores.Shadow == nil || c.Stores.Governed() || len(c.Callbacks) != 3 || !c.Has("validator") || !c.Has("bucket_creds_fetcher") || !c.Has("hmac_fetcher") {
		t.Errorf("got %+v", c)
	}
	if want := (peers.Trusted{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}, Unix: true}); !reflect.DeepEqual(c.TrustedProxies, want) {
		t.Errorf("trusted proxies: %v", c.TrustedProxies)
	}
	if !reflect.DeepEqual(c.MetricsHosts, []string{"osp.svc", "::2"}) {
		t.Errorf("metrics_hosts: %v", c.MetricsHosts)
	}
	if !reflect.DeepEqual(c.AuthCacheBy, []string{"token", "path"}) {
		t.Errorf("auth_cache_by: %v", c.AuthCacheBy)
	}
	if c.Stores.Keystore["one"].Reveal() != "s1" || c.Stores.Keystore["two/with slash"].Reveal() != "s2" {
		t.Error("the keystore is not what was given")
	}
	aws, ibm, lab := c.Stores.Buckets.Find("aws-bucket"), c.Stores.Buckets.Find("ibm-bucket"), c.Stores.Buckets.Find("lab-bucket")
	if aws.Host != "s3.eu-west-3.amazonaws.com" || aws.Region != "eu-west-3" || aws.AccessKey != "AK" || aws.SecretKey.Reveal() != "SK" ||
		aws.TTL != 0 || aws.VerifyChecksums || aws.VerifyTLS || !aws.VirtualStyle {
		t.Errorf("got %+v", aws)
	}
	if ibm.APIKey.Reveal() != "KEY" || ibm.TTL != 1500*time.Millisecond || !ibm.VerifyChecksums {
		t.Errorf("got %+v", ibm)
	}
	if lab.Host != "::1" || lab.Port != 9000 || !lab.TLS || lab.VirtualStyle || !lab.VerifyChecksums {
		t.Errorf("got %+v", lab)
	}
}

func TestSomeDefaultsDependOnOtherFields(t *testing.T) {
	if c := parsed(t, with("max_presign_url_usage_attempts", "null")); c.PresignUses != 0 {
		t.Errorf("None for the presign limit gives %d, not \"no limit\"", c.PresignUses)
	}
	if c := parsed(t, with("server_name", `""`)); c.ServerName != "" {
		t.Errorf("an empty server name gives %q", c.ServerName)
	}
	for _, c := range []struct {
		name, entry          string
		tls, virtual, verify bool
	}{
		{"TLS is off on another port", `"host": "a", "port": 80`, false, true, false},
		{"an IPv4 address means path style", `"host": "127.0.0.1", "port": 9000`, false, false, false},
		{"an IBM host verifies checksums", `"host": "s3.private.us-south.cloud-object-storage.appdomain.cloud", "port": 443`, true, true, true},
		{"an IBM API key verifies checksums", `"host": "a", "port": 443, "api_key": "k"`, true, true, true},
		{"checksums are forwarded to IBM on demand", `"host": "a", "port": 443, "api_key": "k", "checksums": "forward"`, true, true, false},
		{"spellings that agree are fine", `"host": "a", "port": 443, "tls": false, "is_tls_enabled": false`, false, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := parsed(t, with("cos_map", `{"photos": {`+c.entry+`}}`)).Stores.Buckets.Find("photos")
			if b.TLS != c.tls || b.VirtualStyle != c.virtual || b.VerifyChecksums != c.verify {
				t.Errorf("got %+v", b)
			}
		})
	}
}

func TestMistakesAreReportedAllAtOnceAndInOrder(t *testing.T) {
	got := mistakesOf(t, with("http_port", `"8080"`, "thread", "2",
		"cos_map", `{"zoo": {"port": 0, "hots": "x"}, "ant": {"host": "https://s3.example.com", "port": true}}`,
		"hmac_keystore", `[{"access_key": "a", "secret_key": "b"}, 7, {"access_key": "c", "secret_key": ""}]`))
	want := []string{
		`cos_map["ant"].host: must be a bare host name, without a scheme such as https://`,
		`cos_map["ant"].port: must be an integer, got a boolean`,
		`cos_map["zoo"].host: is required`,
		`cos_map["zoo"].port: must be between 1 and 65535, got 0`,
		`cos_map["zoo"].hots: unknown key; did you mean host?`,
		`hmac_keystore[1]: must be a dict, got an integer`,
		`hmac_keystore[2].secret_key: must not be empty`,
		`http_port: must be an integer, got a string`,
		`thread: unknown key; did you mean threads?`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNoKeyThatMayBeASecretIsNamed(t *testing.T) {
	got := mistakesOf(t, with("hmac_keystore", `[{"access_key": "a", "wJalrXUtnFEMI": ""}]`))
	want := []string{`hmac_keystore[0].secret_key: is required`, `hmac_keystore[0]: has an unknown key`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMistakesCrossTheBorderAsJSON(t *testing.T) {
	err := &MistakesError{Mistakes: []Mistake{{`cos_map["a"].port`, "is required"}, {"x", "unknown key"}}}
	var back []Mistake
	if e := json.Unmarshal(err.JSON(), &back); e != nil || !reflect.DeepEqual(back, err.Mistakes) {
		t.Errorf("%s: %v", err.JSON(), e)
	}
	if !strings.Contains(string(err.JSON()), `"message":"is required"`) {
		t.Errorf("field names: %s", err.JSON())
	}
	if got := err.Error(); got != "2 mistakes in the configuration:\n  cos_map[\"a\"].port: is required\n  x: unknown key" {
		t.Errorf("text: %s", got)
	}
}
