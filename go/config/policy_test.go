package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"osp/go/config/configtest"
)

const (
	allows  = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}`
	mistake = "{\"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Allow\", \"Principal\": \"*\",\n  \"Action\": \"s3:HeadObject\", \"Resource\": \"*\"}]}"
)

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func statementOf(action string) map[string]any {
	return map[string]any{"Version": "2012-10-17", "Statement": []any{
		map[string]any{"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"},
	}}
}

func TestAPolicyIsADictOrAFile(t *testing.T) {
	entry := map[string]any{"host": "h", "port": 1, "policy": statementOf("s3:GetObject"), "anonymous": true}
	for name, given := range map[string]any{"dict": statementOf("s3:*"), "file": written(t, allows)} {
		c, err := Parse(configtest.Document(map[string]any{"policy": given, "cos_map": map[string]any{"bkt": entry}}))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.Stores.Policy == nil || c.Stores.Buckets.Find("bkt").Policy == nil || !c.Stores.Governed() {
			t.Errorf("%s: no policy", name)
		}
	}
	c, err := Parse(configtest.Document(map[string]any{"cos_map": map[string]any{"bkt": entry}}))
	if err != nil || c.Stores.Policy != nil || !c.Stores.Governed() {
		t.Errorf("the policy of an entry alone: %v", err)
	}
}

func TestAMistakeInAPolicyHasItsPlace(t *testing.T) {
	for want, given := range map[string]any{
		"policy: line 3: Statement[0].Action: is an operation":      written(t, mistake),
		"policy: line 1: is not JSON":                               written(t, "policy!"),
		"policy: cannot be read":                                    "/nowhere/policy.json",
		"policy.Statement[0].Action: is no action":                  statementOf("s3:GetObjekt"),
		"policy.Version: is required":                               map[string]any{},
		"policy: must be a dict, got a list":                        []any{},
		`cos_map["bkt"].policy.Statement[0].Action: is no action`:   nil,
		`cos_map["odd"].policy: line 3: Statement[0].Action: is an`: nil,
	} {
		_, err := Parse(configtest.Document(map[string]any{"policy": given, "cos_map": map[string]any{
			"bkt": map[string]any{"host": "h", "port": 1, "policy": statementOf("s3:GetObjekt")},
			"odd": map[string]any{"host": "h", "port": 1, "policy": written(t, mistake)},
		}}))
		var mistakes *MistakesError
		if !errors.As(err, &mistakes) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

func TestAnUpdateReplacesAPolicyAndTakesNoneAway(t *testing.T) {
	path := written(t, allows)
	c, err := Parse(configtest.Document(map[string]any{"policy": path}))
	if err != nil {
		t.Fatal(err)
	}
	before := c.Stores
	for text, changes := range map[string]bool{`{}`: false, `{"policy": null}`: false, `{"policy": "` + path + `"}`: true} {
		u, err := c.ParseUpdate([]byte(text), Running{Governed: true})
		if err != nil {
			t.Fatal(err)
		}
		after := u.Apply(&before)
		if after.Policy == nil || (after.Policy != before.Policy) != changes || !after.Policy.Same(before.Policy) {
			t.Errorf("%s: %p becomes %p", text, before.Policy, after.Policy)
		}
	}
	if _, err := c.ParseUpdate([]byte(`{"policy": {}}`), Running{Governed: true}); err == nil {
		t.Error("an empty policy is accepted")
	}
	u, err := c.ParseUpdate([]byte(`{"shadow_policy": `+allows+`}`), Running{Governed: true})
	if err != nil {
		t.Fatal(err)
	}
	if after := u.Apply(&before); after.Shadow == nil || after.Policy != before.Policy {
		t.Errorf("a policy for the shadow: %+v", after)
	}
}

// What is remembered for an entry outlives an update with the same policy.
func TestAnEntryWithTheSamePolicyStaysTheSame(t *testing.T) {
	entries := func(action string) map[string]any {
		return map[string]any{"cos_map": map[string]any{"bkt": map[string]any{"host": "h", "port": 1, "policy": statementOf(action)}}}
	}
	var before, same, other *Config
	for to, action := range map[**Config]string{&before: "s3:*", &same: "s3:*", &other: "s3:GetObject"} {
		c, err := Parse(configtest.Document(entries(action)))
		if err != nil {
			t.Fatal(err)
		}
		*to = c
	}
	same.Stores.Buckets.Keep(before.Stores.Buckets)
	other.Stores.Buckets.Keep(before.Stores.Buckets)
	if same.Stores.Buckets.Find("bkt") != before.Stores.Buckets.Find("bkt") || other.Stores.Buckets.Find("bkt") == before.Stores.Buckets.Find("bkt") {
		t.Error("it does not")
	}
}
