package config

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"osp/go/config/configtest"
)

const anIssuer = `"https://issuer.example": {"audiences": ["s3"]}`

func TestARoleMeansWhatItSays(t *testing.T) {
	c, err := Parse(document(`{
		"issuers": {"https://issuer.example": {"audiences": ["s3", "other"], "jwks_url": "https://keys.example/k"}},
		"roles": {
			"full": {"issuers": ["https://issuer.example"], "audiences": "s*", "subjects": ["a", "b*"], "claims": {"groups": "team-*", "/x/y": ["1", "2"]},
				"keys": "ci-*", "external_id": "open", "tags": ["project"], "min_duration": 1, "max_duration": 7200, "token": "{issuer}/{subject}", "end_with_token": true,
				"policy": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}},
			"small": {"keys": ["alice"], "max_duration": 60}
		}}`))
	if err != nil {
		t.Fatal(err)
	}
	full, small := c.Roles.Roles["full"], c.Roles.Roles["small"]
	if len(full.Issuers) != 1 || len(full.Audiences) != 1 || len(full.Subjects) != 2 || len(full.Claims) != 2 || len(full.Claims[0].Patterns) != 2 || len(full.Keys) != 1 ||
		full.ExternalID != "open" || len(full.Tags) != 1 || full.Min != time.Second || full.Max != 2*time.Hour || !full.EndWithToken || !full.Token.Has("issuer") || full.Policy == nil {
		t.Errorf("got %+v", full)
	}
	if small.Min != time.Minute || small.Max != time.Minute || !small.Token.Has("role") || small.Policy != nil {
		t.Errorf("got %+v", small)
	}
	if i := c.Roles.Issuers[0]; i.JWKS != "https://keys.example/k" || !slices.Equal(i.Audiences, []string{"s3", "other"}) {
		t.Errorf("got %+v", i)
	}
	if bound, there := c.Stores.Roles["small"]; bound != nil || !there || c.Stores.Roles["full"] != full.Policy {
		t.Errorf("got %v", c.Stores.Roles)
	}
}

// document is a configuration with these parameters.
func document(text string) []byte {
	var changes map[string]any
	if err := json.Unmarshal([]byte(text), &changes); err != nil {
		panic(err)
	}
	return configtest.Document(changes)
}

// pathsOf are the paths of the mistakes.
func pathsOf(err error) (paths []string) {
	var wrong *MistakesError
	if errors.As(err, &wrong) {
		for _, m := range wrong.Mistakes {
			paths = append(paths, m.Path)
		}
	}
	return paths
}

func TestMistakesInRolesAreAllReported(t *testing.T) {
	for text, want := range map[string]string{
		`"issuers": {"http://issuer.example": {"audiences": ["s3"]}}`:                                                                                       `issuers["http://issuer.example"]`,
		`"issuers": {"https://issuer.example": {}}`:                                                                                                         `issuers["https://issuer.example"].audiences`,
		`"issuers": {"https://issuer.example": {"audiences": []}}`:                                                                                          `issuers["https://issuer.example"].audiences`,
		`"issuers": {"https://issuer.example": {"audiences": ["a"], "jwks_url": "x"}}`:                                                                      `issuers["https://issuer.example"].jwks_url`,
		`"issuers": {"https://issuer.example": {"audiences": ["a"], "ca_file": "/no"}}`:                                                                     `issuers["https://issuer.example"].ca_file`,
		`"issuers": {"https://issuer.example": {"audiences": ["a"], "token_file": "/no"}}`:                                                                  `issuers["https://issuer.example"].token_file`,
		`"issuers": {"https://issuer.example": {"audiences": ["a"], "audience": "b"}}`:                                                                      `issuers["https://issuer.example"].audience`,
		`"roles": {"a b": {"keys": "*"}}`:                                                                                                                   `roles["a b"]`,
		`"roles": {"r": {}}`:                                                                                                                                `roles["r"].issuers`,
		`"roles": {"r": {"keys": "*", "subjects": "*"}}`:                                                                                                    `roles["r"].subjects`,
		`"roles": {"r": {"keys": []}}`:                                                                                                                      `roles["r"].keys`,
		`"roles": {"r": {"keys": "${aws:username}"}}`:                                                                                                       `roles["r"].keys`,
		`"roles": {"r": {"keys": "*", "max_duration": 43201}}`:                                                                                              `roles["r"].max_duration`,
		`"roles": {"r": {"keys": "*", "min_duration": 61, "max_duration": 60}}`:                                                                             `roles["r"].min_duration`,
		`"roles": {"r": {"keys": "*", "token": "{name}"}}`:                                                                                                  `roles["r"].token`,
		`"roles": {"r": {"keys": "*", "policy": {"Statement": 1}}}`:                                                                                         `roles["r"].policy`,
		`"issuers": {` + anIssuer + `}, "roles": {"r": {"issuers": ["https://issuer.example"], "subjects": "*", "external_id": "x"}}`:                       `roles["r"].external_id`,
		`"issuers": {` + anIssuer + `}, "roles": {"r": {"issuers": ["https://issuer.example"]}}`:                                                            `roles["r"].subjects`,
		`"issuers": {` + anIssuer + `}, "roles": {"r": {"issuers": ["https://issuer.example/"], "subjects": "*"}}`:                                          `roles["r"].issuers`,
		`"issuers": {` + anIssuer + `}, "roles": {"r": {"issuers": ["https://issuer.example"], "subjects": "*", "keys": "*", "token": "u-{subject}"}}`:      `roles["r"].token`,
		`"issuers": {` + anIssuer + `}, "roles": {"r": {"issuers": ["https://issuer.example"], "subjects": "*", "token": "{subject}"}, "t": {"keys": "*"}}`: `roles["r"].token`,
		`"issuers": {` + anIssuer + `}, "roles": {"r": {"issuers": ["https://issuer.example"], "claims": {"g": []}}}`:                                       `roles["r"].claims["g"]`,
		`"issuers": {` + anIssuer + `}, "roles": {"r": {"issuers": ["https://issuer.example"], "subjects": "*", "wrong": 1}, "s": {"keys": "*", "x": 1}}`:   `roles["r"].wrong`,
	} {
		_, err := Parse(document("{" + text + "}"))
		paths := pathsOf(err)
		if !slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p, want) }) {
			t.Errorf("%s: got %v, want %s", text, paths, want)
		}
		if strings.Contains(text, `"s":`) && !slices.Contains(paths, `roles["s"].x`) {
			t.Errorf("only the first mistake is reported: %v", paths)
		}
	}
}

func TestIssuersAndRolesAreUpdatedApart(t *testing.T) {
	c, err := Parse(document(`{"issuers": {` + anIssuer + `}, "roles": {"r": {"issuers": ["https://issuer.example"], "subjects": "*"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	now := Running{Roles: c.Roles}
	u, err := c.ParseUpdate([]byte(`{"roles": {"other": {"issuers": ["https://issuer.example"], "subjects": "*"}}}`), now)
	if err != nil {
		t.Fatal(err)
	}
	after := u.ApplyRoles(c.Roles)
	if len(after.Issuers) != 1 || !slices.Equal(slices.Collect(maps.Keys(after.Roles)), []string{"other"}) {
		t.Errorf("got %+v", after)
	}
	if set := u.Apply(&c.Stores); len(set.Roles) != 1 || len(c.Stores.Roles) != 1 {
		t.Errorf("got %v", set.Roles)
	}
	if _, err := c.ParseUpdate([]byte(`{"issuers": {}}`), now); !slices.Equal(pathsOf(err), []string{`roles["r"].issuers`}) {
		t.Errorf("an issuer that is needed: %v", err)
	}
	u, err = c.ParseUpdate([]byte(`{"issuers": {}, "roles": {}}`), now)
	if err != nil || len(u.ApplyRoles(c.Roles).Roles) != 0 || len(u.ApplyRoles(c.Roles).Issuers) != 0 {
		t.Errorf("none: %v", err)
	}
	u, err = c.ParseUpdate([]byte(`{}`), now)
	if same := u.ApplyRoles(c.Roles); err != nil || len(same.Roles) != 1 || same.Roles["r"] != c.Roles.Roles["r"] {
		t.Errorf("nothing: %v", err)
	}
}
