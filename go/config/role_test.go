package config

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"osp/go/secret"
	"osp/go/stores"
)

const anARN = "arn:aws:iam::123456789012:role/lake"

func roleOf(t *testing.T, entry string) (*stores.Bucket, stores.Role) {
	t.Helper()
	b := storesOf(t, `{"bkt": {"assume_role_arn": "`+anARN+`", `+entry+`}}`).Buckets.Find("bkt")
	return b, b.Role.Role()
}

func TestARoleHasItsDefaults(t *testing.T) {
	b, r := roleOf(t, `"host": "s3.eu-west-3.amazonaws.com", "port": 443, "region": "eu-west-3", "access_key": "AK", "secret_key": "SK", "connect_timeout": 2`)
	want := stores.Role{
		ARN: anARN, SessionName: "object-storage-proxy", Duration: time.Hour, Endpoint: "https://sts.eu-west-3.amazonaws.com", Region: "eu-west-3",
		Transport: b.Transport, AccessKey: "AK", SecretKey: secret.New("SK"),
	}
	if r != want || b.ConnectTimeout != 2*time.Second {
		t.Errorf("got %+v", r)
	}
	if b.AccessKey != "" || !b.SecretKey.Empty() {
		t.Error("the pair is also the store's")
	}
}

func TestEverythingOfARoleArrives(t *testing.T) {
	_, r := roleOf(t, `"host": "h", "port": 1, "accessKey": "AK", "secretKey": "SK", "role_session_name": "lake@prod", "external_id": "a/b:c",
		"sts_endpoint": "https://sts.example/path", "assume_role_duration": 900.7`)
	if r.SessionName != "lake@prod" || r.ExternalID != "a/b:c" || r.Endpoint != "https://sts.example/path" || r.Duration != 15*time.Minute {
		t.Errorf("got %+v", r)
	}
	_, r = roleOf(t, `"host": "h", "port": 1, "web_identity_token_file": "token"`)
	if here, _ := filepath.Abs("token"); r.TokenFile != here || r.AccessKey != "" {
		t.Errorf("got %+v", r)
	}
}

func TestTheTokenServiceIsThatOfTheStore(t *testing.T) {
	for entry, want := range map[string]string{
		`"host": "s3.amazonaws.com", "port": 443`:                                       "https://sts.us-east-1.amazonaws.com",
		`"host": "s3.cn-north-1.amazonaws.com.cn", "port": 443, "region": "cn-north-1"`: "https://sts.cn-north-1.amazonaws.com.cn",
		`"host": "minio", "port": 9000`:                                                 "http://minio:9000",
		`"host": "[::1]", "port": 9000, "tls": true`:                                    "https://[::1]:9000",
		`"host": "minio", "port": 9000, "sts_endpoint": "http://sts:80"`:                "http://sts:80",
		`"host": "s3.amazonaws.com.evil.example", "port": 443`:                          "https://s3.amazonaws.com.evil.example:443",
	} {
		if _, r := roleOf(t, entry+`, "web_identity_token_file": "/t"`); r.Endpoint != want {
			t.Errorf("%s: got %s, want %s", entry, r.Endpoint, want)
		}
	}
}

func TestMistakesInARole(t *testing.T) {
	const arn, pair, file = `"assume_role_arn": "` + anARN + `", `, `"access_key": "AK", "secret_key": "SK-hidden", `, `"web_identity_token_file": "/t", `
	for entry, want := range map[string]string{
		`"external_id": "x-hidden", `:   `external_id: needs assume_role_arn`,
		`"sts_endpoint": "https://s", `: `sts_endpoint: needs assume_role_arn`,
		`"role_session_name": "n", `:    `role_session_name: needs assume_role_arn`,
		`"assume_role_duration": 900, `: `assume_role_duration: needs assume_role_arn`,
		file:                            `web_identity_token_file: needs assume_role_arn`,
		arn:                             `assume_role_arn: needs web_identity_token_file, or access_key and secret_key`,
		arn + `"api_key": "K-hidden", `: `assume_role_arn: can't be given with api_key`,
		arn + file + pair:               `web_identity_token_file: can't be given with access_key`,
		arn + file + `"external_id": "xx-hidden", `:                           `external_id: can't be given with web_identity_token_file`,
		arn + pair + `"external_id": "x hidden", `:                            `external_id: must have 2 to 1224`,
		arn + pair + `"external_id": "` + strings.Repeat("x", 1225) + `", `:   `external_id: must have 2 to 1224`,
		arn + pair + `"role_session_name": "a", `:                             `role_session_name: must have 2 to 64`,
		arn + pair + `"role_session_name": "a b", `:                           `role_session_name: must have 2 to 64`,
		arn + pair + `"sts_endpoint": "sts.example", `:                        `sts_endpoint: must be a URL that begins with https`,
		arn + pair + `"sts_endpoint": "https://u:hidden@sts", `:               `sts_endpoint: must be a URL without user`,
		arn + pair + `"tls": true, "sts_endpoint": "http://sts", `:            `sts_endpoint: must begin with https://, as the store`,
		arn + pair + `"assume_role_duration": 899, `:                          `assume_role_duration: must be between 900 and 43200 seconds, got 899`,
		arn + pair + `"assume_role_duration": 43201, `:                        `assume_role_duration: must be between`,
		arn + `"web_identity_token_file": "", `:                               `web_identity_token_file: must not be empty`,
		arn + `"web_identity_token_file": "a\u0000", `:                        `web_identity_token_file: must be the path of a file`,
		pair + `"assume_role_arn": "lake", `:                                  `assume_role_arn: must be the ARN of a role`,
		pair + `"assume_role_arn": "arn:` + strings.Repeat("x", 2048) + `", `: `assume_role_arn: must be the ARN of a role`,
		pair + `"assume_role_arn": "arn:aws:iam::1:role/a b", `:               `assume_role_arn: must be the ARN of a role`,
		pair + `"assume_role_arn": 7, `:                                       `assume_role_arn: must be a string`,
	} {
		got := mistakesOf(t, with("cos_map", `{"bkt": {`+entry+`"host": "h", "port": 1}}`))
		if len(got) != 1 || !strings.HasPrefix(got[0], `cos_map["bkt"].`+want) || strings.Contains(got[0], "hidden") {
			t.Errorf("%s: got %q", entry, got)
		}
	}
}

func TestEntriesWithTheSameRoleShareIt(t *testing.T) {
	one, _ := roleOf(t, `"host": "h", "port": 1, "web_identity_token_file": "/t"`)
	same, _ := roleOf(t, `"host": "h", "port": 1, "web_identity_token_file": "/t", "bucket": "another", "ttl": 1`)
	other, _ := roleOf(t, `"host": "h", "port": 1, "web_identity_token_file": "/u"`)
	if one.Role != same.Role || one.Role == other.Role {
		t.Error("equal roles differ, or others are equal")
	}
}

func TestWhatARoleIsAssumedWithSealsTokensOfAFolder(t *testing.T) {
	key := func(secret string) any {
		b, _ := roleOf(t, `"host": "h", "port": 1, "prefix": "team", "access_key": "AK", "secret_key": "`+secret+`"`)
		return b.Tokens
	}
	if key("one") != key("one") || key("one") == key("two") {
		t.Error("the key of the tokens does not depend on the secret, or on more")
	}
}
