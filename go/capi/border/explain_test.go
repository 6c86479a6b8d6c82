package border

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"osp/go/config"
)

const wondering = `{"policy": {"Version": "2012-10-17", "Statement": [
	{"Sid": "Reads", "Effect": "Allow", "Principal": {"Token": "alice"}, "Action": ["s3:Get*", "s3:PutObject"], "Resource": "arn:aws:s3:::photos/*"},
	{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::photos/secret*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
	{"Sid": "Warm", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*", "Condition": {"StringEquals": {"s3:x-amz-storage-class": "COLD"}}},
	{"Sid": "Once", "Effect": "Allow", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": "2000-01-01"}}}
]}, `

func TestAnExplanationNamesTheStatementForAllThatTheGateAsks(t *testing.T) {
	for request, want := range map[string]string{
		`"token": "alice", "method": "GET", "target": "/photos/a"`:                                                                              `true GetObject s3:GetObject photos/a allow statement "Reads"`,
		`"token": "bob", "method": "GET", "target": "/photos/a"`:                                                                                `false GetObject s3:GetObject photos/a nothing`,
		`"token": "alice", "method": "GET", "target": "/photos/secret/a"`:                                                                       `false GetObject s3:GetObject photos/secret/a deny Statement[1]`,
		`"token": "alice", "method": "GET", "target": "/photos/secret/a", "secure": true`:                                                       `true GetObject s3:GetObject photos/secret/a allow statement "Reads"`,
		`"token": "alice", "method": "GET", "target": "/photos/a?acl"`:                                                                          `true GetObjectAcl s3:GetObjectAcl photos/a allow statement "Reads"; GetObject s3:GetObject photos/a allow statement "Reads"`,
		`"token": "alice", "method": "GET", "target": "/photos/a?acl", "complete": true`:                                                        `true GetObjectAcl s3:GetObjectAcl photos/a allow statement "Reads"`,
		`"token": "alice", "method": "GET", "target": "/photos/a?versionId=v"`:                                                                  `true GetObject s3:GetObjectVersion photos/a allow statement "Reads"; GetObject s3:GetObject photos/a allow statement "Reads"`,
		`"token": "alice", "method": "GET", "target": "/photos/a?versionId=0123456789abcdef0123456789abcdef", "complete": true, "keys": "path"`: `true GetObject s3:GetObjectVersion photos/a allow statement "Reads"; GetObject s3:GetObjectVersion photos/a allow statement "Reads"`,
		`"token": "alice", "method": "GET", "target": "/photos/a?versionId=0123456789abcdef0123456789abcdef", "keys": "opaque"`:                 `true GetObject s3:GetObjectVersion photos/a allow statement "Reads"; GetObject s3:GetObject photos/a allow statement "Reads"`,
		`"token": "alice", "method": "GET", "target": "/photos/a?versionId=0123456789abcdef0123456789abcdef", "complete": true`:                 `true GetObject s3:GetObjectVersion photos/a allow statement "Reads"`,
		`"token": "alice", "method": "GET", "target": "/photos/a?versionId=0123456789abcdef0123456789abcdef"`:                                   `true GetObject s3:GetObjectVersion photos/a allow statement "Reads"; GetObject s3:GetObject photos/a allow statement "Reads"; GetObject s3:GetObjectVersion photos/a allow statement "Reads"`,
		`"token": "alice", "method": "PUT", "target": "/photos/a", "headers": {"x-amz-acl": "p"}`:                                               `false PutObject s3:PutObject photos/a allow statement "Reads"; PutObject s3:PutObjectAcl photos/a nothing`,
		`"token": "alice", "method": "PUT", "target": "/photos/a", "headers": {"x-amz-storage-class": "\u00a0COLD"}`:                            `false PutObject s3:PutObject photos/a deny statement "Warm"`,
		`"token": "alice", "method": "PUT", "target": "/photos/a", "headers": {"X-Amz-Copy-Source": "b/k"}`:                                     `false CopyObject s3:PutObject photos/a allow statement "Reads"; GetObject s3:GetObject b/k nothing`,
		`"token": "carol", "method": "PUT", "target": "/photos/a?renameObject", "headers": {"x-amz-rename-source": "k"}`:                        `false RenameObject s3:PutObject photos/a nothing; PutObject s3:PutObject photos/a nothing; GetObject s3:GetObject photos/k nothing; DeleteObject s3:DeleteObject photos/k nothing`,
		`"token": "carol", "method": "DELETE", "target": "/photos/a", "time": 946000000`:                                                        `true DeleteObject s3:DeleteObject photos/a allow statement "Once"`,
		`"token": "carol", "method": "DELETE", "target": "/photos/a"`:                                                                           `false DeleteObject s3:DeleteObject photos/a nothing`,
		`"token": "alice", "method": "POST", "target": "/photos/a?append", "unknown_operations": true`:                                          `false Unknown s3:Unknown photos/a nothing`,
		`"token": "alice", "method": "GET", "target": "/photos/a?bogus", "unknown_operations": true`:                                            `false GetObject s3:GetObject photos/a allow statement "Reads"; Unknown s3:Unknown photos/a nothing`,
		`"token": "alice", "method": "OPTIONS", "target": "/photos/a"`:                                                                          `false Preflight  photos/a nothing`,
		`"token": "alice", "method": "GET", "target": "/", "client_ip": "192.0.2.1"`:                                                            `true ListBuckets s3:ListAllMyBuckets  nothing`,
		`"method": "GET", "target": "/"`:                                                `false ListBuckets   nothing`,
		`"method": "DELETE", "target": "/photos/a", "time": 946000000`:                  `false DeleteObject  photos/a nothing`,
		`"token": "alice", "method": "GET", "target": "/photos/../a", "complete": true`: `true GetObject s3:GetObject photos/../a allow statement "Reads"`,
	} {
		document, err := Explain([]byte(wondering + request + "}"))
		if err != nil {
			t.Errorf("%s: %v", request, err)
			continue
		}
		var got explanation
		if err := json.Unmarshal(document, &got); err != nil {
			t.Fatal(err)
		}
		var rows []string
		for _, q := range got.Questions {
			rows = append(rows, strings.TrimSpace(strings.Join([]string{q.Operation, q.Action, q.Resource, q.Effect, q.Statement}, " ")))
			if (q.Line > 0) != (q.Statement != "") {
				t.Errorf("%s is on line %d", q.Statement, q.Line)
			}
		}
		text := "false "
		if got.Allowed {
			text = "true "
		}
		if text += strings.Join(rows, "; "); text != want {
			t.Errorf("%s\ngot  %s\nwant %s", request, text, want)
		}
	}
}

func TestAnExplanationForASessionHasAllThatNarrowsIt(t *testing.T) {
	const about = `{"policy": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Group": "admins"}, "Action": "s3:*", "Resource": "*"}},
		"token": "people/alice", "method": "GET", "target": "/photos/home/ann/k", "session": {%}}`
	const attached = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::%"}}`
	at := func(resource string) string { return strings.Replace(attached, "%", resource, 1) }
	for members, want := range map[string]string{
		``:                                 "false: policy nothing",
		`"claims": {"groups": "admins"}`:   "true: policy allow",
		`"claims": {"groups": ["a", "b"]}`: "false: policy nothing",
		`"role": "r", "role_policy": ` + at("photos/*"):                                                                             "true: session.role_policy allow, policy allow",
		`"claims": {"groups": "admins"}, "role": "r", "role_policy": ` + at("other/*"):                                              "false: session.role_policy nothing, policy allow",
		`"claims": {"groups": "admins"}, "policies": [` + at("*") + `, ` + at("photos/home/${aws:PrincipalTag/who}/*") + `]`:        "false: session.policies[0] allow, session.policies[1] nothing, policy allow",
		`"claims": {"groups": "admins"}, "policies": [` + at("photos/home/${aws:PrincipalTag/who}/*") + `], "tags": {"who": "ann"}`: "true: session.policies[0] allow, policy allow",
		`"claims": {"groups": "admins"}, "role": "r", "name": "n", "policies": [` + at("photos/home/${aws:userid}/*") + `]`:         "false: session.policies[0] nothing, policy allow",
	} {
		document, err := Explain([]byte(strings.Replace(about, "%", members, 1)))
		if err != nil {
			t.Errorf("%s: %v", members, err)
			continue
		}
		var got explanation
		if err := json.Unmarshal(document, &got); err != nil {
			t.Fatal(err)
		}
		var rows []string
		for _, q := range got.Questions {
			rows = append(rows, q.Policy+" "+q.Effect)
		}
		if text := fmt.Sprintf("%t: %s", got.Allowed, strings.Join(rows, ", ")); text != want {
			t.Errorf("%s\ngot  %s\nwant %s", members, text, want)
		}
	}
}

func TestWhatCanNotBeExplainedIsAMistake(t *testing.T) {
	for document, path := range map[string]string{
		`{}`: "policy", wondering + `"target": "/b"}`: "method", wondering + `"method": "GET"}`: "target",
		wondering + `"method": "PATCH", "target": "/b/k"}`:                                                                                     "target",
		wondering + `"token": "alice", "method": "POST", "target": "/photos?delete"}`:                                                          "target",
		wondering + `"token": "alice", "method": "POST", "target": "/photos", "headers": {"content-type": "multipart/form-data; boundary=x"}}`: "target",
		wondering + `"token": "alice", "method": "GET", "target": "/photos/a?bogus"}`:                                                          "target",
		wondering + `"token": "alice", "method": "GET", "target": "/photos/x/../a"}`:                                                           "target",
		wondering + `"token": "alice", "method": "PUT", "target": "/photos/a", "headers": {"X-Amz-Copy-Source": "photos/x/../b"}}`:             "target",
		wondering + `"token": "alice", "method": "PUT", "target": "/photos/a?renameObject", "headers": {"x-amz-rename-source": "photos/b"}}`:   "target",
		wondering + `"method": "GET", "target": "b"}`:                                                                                          "target",
		wondering + `"method": "GET", "target": "/b", "tokens": "x"}`:                                                                          "tokens",
		wondering + `"method": "GET", "target": "/b", "session": {}}`:                                                                          "session",
		wondering + `"token": "a", "method": "GET", "target": "/b", "session": {"rule": "r"}}`:                                                 "session.rule",
		wondering + `"token": "a", "method": "GET", "target": "/b", "session": {"policies": [{}]}}`:                                            "session.policies[0].Version",
		wondering + `"token": "a", "method": "GET", "target": "/b", "session": {"role_policy": {}}}`:                                           "session.role_policy.Version",
		wondering + `"token": "a", "method": "GET", "target": "/b", "keys": "both"}`:                                                           "keys",
		wondering + `"method": "GET", "target": "/b", "headers": {"a": 1}}`:                                                                    "headers.a",
	} {
		_, err := Explain([]byte(document))
		var mistakes *config.MistakesError
		if !errors.As(err, &mistakes) || mistakes.Mistakes[0].Path != path {
			t.Errorf("%s: %v", document, err)
		}
	}
}
