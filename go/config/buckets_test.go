package config

import (
	"slices"
	"strings"
	"testing"

	"osp/go/seal"
	"osp/go/secret"
	"osp/go/stores"
)

// running is what a server was started with that gets updates.
var running = &Config{VerifyTLS: true, Callbacks: []string{"validator"}}

func storesOf(t *testing.T, cosMap string) *stores.Set {
	t.Helper()
	u, err := running.ParseUpdate([]byte(`{"cos_map": `+cosMap+`}`), Running{})
	if err != nil {
		t.Fatal(err)
	}
	return u.Apply(&stores.Set{})
}

func TestAFolderAndABucketOfAnotherNameAreRead(t *testing.T) {
	b := storesOf(t, `{"one": {"host": "h", "port": 1, "bucket": "uno", "prefix": "a/b"}, "slash": {"host": "h", "port": 1, "prefix": "a/b/"},
		"log-*": {"host": "h", "port": 1, "prefix": "logs"}}`).Buckets
	for name, want := range map[string][2]string{"one": {"uno", "a/b/"}, "slash": {"slash", "a/b/"}, "log-x": {"log-x", "logs/"}} {
		if got := b.Find(name); got.Remote != want[0] || got.Prefix != want[1] {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestAFolderIsOneThatItsStoreTakesForNoOther(t *testing.T) {
	for entry, want := range map[string]string{
		`"prefix": "a/../b"`:                    `must be a folder such as "team/data/"`,
		`"prefix": "a\\b"`:                      `must be a folder that the store takes for no other`,
		`"prefix": ".sgwtmp/b"`:                 `must be a folder that the store takes for no other`,
		`"prefix": ".sgwtmp", "keys": "opaque"`: ``,
	} {
		got := mistakesOf(t, with("cos_map", `{"bkt": {"host": "h", "port": 1, `+entry+`}}`))
		if want == "" && got != nil || want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], `cos_map["bkt"].prefix: `+want)) {
			t.Errorf("%s: got %q", entry, got)
		}
	}
}

func TestAnEntryThatIsReadAgainSealsAlike(t *testing.T) {
	read := func(entry string) *stores.Bucket {
		return storesOf(t, `{"data": {"host": "h", "port": 1, "secret_key": "s", "access_key": "a"`+entry+`}}`).Buckets.Find("data")
	}
	if first := read(`, "prefix": "team"`); first.Tokens != read(`, "prefix": "team/", "ttl": 1`).Tokens || first.Tokens == (seal.Key{}) {
		t.Error("the keys of the tokens differ, or there is none")
	}
	if read("").Tokens != (seal.Key{}) {
		t.Error("without a folder there is a key for tokens")
	}
}

func TestAnUpdateKeepsEntriesThatAreTheSame(t *testing.T) {
	const same = `"same": {"host": "h", "port": 1, "access_key": "a", "secret_key": "s"}, "s*": {"host": "h", "port": 1}`
	stores := storesOf(t, `{`+same+`, "changed": {"host": "h", "port": 1, "access_key": "a", "secret_key": "s"}}`)
	before, after := stores.Buckets, updated(t, stores, `{"cos_map": {`+same+`,
		"changed": {"host": "h", "port": 1, "access_key": "a", "secret_key": "new"}, "added": {"host": "h", "port": 1}}}`).Buckets
	for name, kept := range map[string]bool{"same": true, "some": true, "changed": false} {
		if (before.Find(name).Entry() == after.Find(name).Entry()) != kept {
			t.Errorf("%s: kept is not %v", name, kept)
		}
	}
	if after.Find("changed").SecretKey.Reveal() != "new" || after.Find("added") == nil {
		t.Error("what changed was not taken")
	}
}

func updated(t *testing.T, before *stores.Set, update string) *stores.Set {
	t.Helper()
	u, err := running.ParseUpdate([]byte(update), Running{})
	if err != nil {
		t.Fatal(err)
	}
	return u.Apply(before)
}

func TestAnUpdateChangesNothingButWhatItHas(t *testing.T) {
	before := storesOf(t, `{"bkt": {"host": "h", "port": 1}}`)
	before.Keystore = map[string]secret.Value{"alice": secret.New("a")}
	for update, want := range map[string]struct{ bucket, key string }{
		`{}`:                {"bkt", "alice"},
		`{"cos_map": null}`: {"bkt", "alice"},
		`{"cos_map": {"new": {"host": "h", "port": 1}}}`:                {"new", "alice"},
		`{"hmac_keystore": [{"access_key": "bob", "secret_key": "b"}]}`: {"bkt", "bob"},
		`{"hmac_keystore": []}`:                                         {"bkt", ""},
		`{"cos_map": {}, "hmac_keystore": []}`:                          {"", ""},
	} {
		after := updated(t, before, update)
		if got := after.Buckets.Names(); strings.Join(got, "") != want.bucket {
			t.Errorf("%s: buckets %v", update, got)
		}
		if _, ok := after.Keystore[want.key]; len(after.Keystore) > 1 || ok != (want.key != "") {
			t.Errorf("%s: %d keys", update, len(after.Keystore))
		}
	}
	if len(before.Keystore) != 1 || before.Buckets.Find("bkt") == nil {
		t.Error("what requests under way have was changed")
	}
}

func TestEntriesOfAnUpdateCheckCertificatesAsTheServerWasStarted(t *testing.T) {
	for _, verify := range []bool{true, false} {
		u, err := (&Config{VerifyTLS: verify}).ParseUpdate([]byte(`{"cos_map": {"bkt": {"host": "h", "port": 1}}}`), Running{})
		if err != nil {
			t.Fatal(err)
		}
		if got := u.Apply(&stores.Set{}).Buckets.Find("bkt").VerifyTLS; got != verify {
			t.Errorf("started with %v: %v", verify, got)
		}
	}
}

func TestWithoutAValidatorNoEntryIsAnonymous(t *testing.T) {
	const entries = `{"bkt": {"host": "h", "port": 1, "anonymous": true}, "log-*": {"host": "h", "port": 1, "anonymous": true},
		"off": {"host": "h", "port": 1, "anonymous": false}}`
	for _, mistakes := range [][]string{mistakesOf(t, with("cos_map", entries)), mistakesOf(t, with("cos_map", entries, "callbacks", `["hmac_fetcher"]`))} {
		if len(mistakes) != 2 || !strings.HasPrefix(mistakes[0], `cos_map["bkt"].anonymous: `) || !strings.HasPrefix(mistakes[1], `cos_map["log-*"].anonymous: `) {
			t.Errorf("got %q", mistakes)
		}
	}
	if c := parsed(t, with("cos_map", entries, "callbacks", `["validator"]`)); !c.Stores.Buckets.Find("bkt").Anonymous {
		t.Error("with a validator it is not anonymous")
	}
	if _, err := (&Config{}).ParseUpdate([]byte(`{"cos_map": `+entries+`}`), Running{}); err == nil {
		t.Error("an update opened a bucket")
	}
}

func TestMistakesOfEntriesHaveTheirPaths(t *testing.T) {
	for entry, want := range map[string]string{
		`"b": 1`:                        `cos_map["b"]: a bucket name must have 3 to 255 characters`,
		`"bkt": {"prefix": "../x"}`:     `cos_map["bkt"].prefix: must be a folder`,
		`"bkt": {"prefix": "a\u0000b"}`: `cos_map["bkt"].prefix: must not have control characters`,
		`"bkt": {"prefix": "` + strings.Repeat("p", 600) + `"}`: `cos_map["bkt"].prefix: must have at most 512 bytes`,
		`"bkt": {"bucket": "a/b"}`:                              `cos_map["bkt"].bucket: a bucket name must not have a slash`,
		`"a*": {"bucket": "one"}`:                               `cos_map["a*"].bucket: can't be set for a pattern`,
		`"a*b*": {}`:                                            `cos_map["a*b*"]: must have at most one star`,
		`"a/*": {}`:                                             `cos_map["a/*"]: must have letters, digits`,
		`"bkt": {"anonymous": "yes"}`:                           `cos_map["bkt"].anonymous: must be True or False`,
		`"bkt": {"read_only": 1}`:                               `cos_map["bkt"].read_only: must be True or False`,
	} {
		_, err := running.ParseUpdate([]byte(`{"cos_map": {`+entry+`}}`), Running{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", entry, err, want)
		}
	}
	if _, err := running.ParseUpdate([]byte(`{"cos_map": {}, "http_port": 1}`), Running{}); err == nil || !strings.Contains(err.Error(), "http_port: unknown key") {
		t.Errorf("what no update changes: %v", err)
	}
}

func TestDomains(t *testing.T) {
	c := parsed(t, with("domain", `"S3.example.com"`, "domains", `["eu.s3.example.com"]`, "iam_endpoint", `"https://private.iam.cloud.ibm.com"`))
	if !slices.Equal(c.Domains, []string{"eu.s3.example.com", "s3.example.com"}) || c.IAMEndpoint != "https://private.iam.cloud.ibm.com/identity/token" {
		t.Errorf("got %v, %s", c.Domains, c.IAMEndpoint)
	}
	got := mistakesOf(t, with("domain", `"http://x"`, "domains", `["192.0.2.1", "a/b", 7]`))
	if len(got) != 4 || !strings.HasPrefix(got[3], "domain: must be a bare host name") || got[0] != "domains[0]: must be a domain: an address has no subdomains" {
		t.Errorf("got %v", got)
	}
}
