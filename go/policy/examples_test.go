package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"osp/go/s3op"
	"osp/go/session"
)

// identity reads a policy as AWS writes them for users and sessions, which name no
// principal: here it is everybody.
func identity(t testing.TB, document string) *Policy {
	t.Helper()
	var doc object
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		t.Fatal(err)
	}
	for _, s := range listOf(doc["Statement"]) {
		s.(object)["Principal"] = "*"
	}
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask makes a question of an action and a resource, "s3:GetObject b/k", and of what
// else is known, as "name=value".
func ask(t testing.TB, text string) *Question {
	t.Helper()
	words := strings.Fields(text)
	number := slices.Index(s3op.Actions(), words[0])
	if number < 0 {
		t.Fatalf("no action %s", words[0])
	}
	f := facts{map[string]string{}, map[string]string{}}
	q := &Question{Action: s3op.Action(number), Token: "David", ClientIP: "192.0.2.1", Secure: true, Now: atNoon, Request: f}
	if len(words) > 1 {
		q.Resource = words[1]
	}
	for _, word := range words[min(2, len(words)):] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "token":
			q.Token = value
		case "ip":
			q.ClientIP = value
		case "http":
			q.Secure = false
		case "role":
			q.Session = &session.Session{Role: value}
		case "group":
			q.Session = &session.Session{Claims: map[string][]string{groups: {value}}}
		case "version":
			q.VersionID = value
		case "at":
			at, err := time.Parse(time.RFC3339, value)
			if err != nil {
				t.Fatal(err)
			}
			q.Now = func() time.Time { return at }
		case "prefix", "delimiter", "max-keys":
			f.params[name] = value
		default:
			f.fields[name] = value
		}
	}
	return q
}

// expect compares outcomes with what is listed: a plus is an allow, a minus an
// explicit deny, a dot nothing.
func expect(t *testing.T, p *Policy, outcomes string) {
	t.Helper()
	for line := range strings.Lines(outcomes) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		want := map[byte]Effect{'+': Allow, '-': Deny, '.': None}[line[0]]
		if got := p.Decide(ask(t, line[2:])); got.Effect != want {
			t.Errorf("%s: effect %d by %v", line, got.Effect, got.Statement)
		}
	}
}

// The policies are AWS's examples, by the page that has them, with what the page says
// about them.
func TestAWSExamplesDecideAsDocumented(t *testing.T) {
	for name, c := range map[string]struct{ document, outcomes string }{
		"IAM policy elements: Variables and tags": {`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::mybucket"], "Condition": {"StringLike": {"s3:prefix": ["${aws:username}/*"]}}},
			{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::mybucket/${aws:username}/*"]}]}`, `
			+ s3:GetObject mybucket/David/x
			+ s3:PutObject mybucket/David/a/b
			. s3:DeleteObject mybucket/David/x
			. s3:GetObject mybucket/Davidson/x
			. s3:GetObject mybucket/Adele/x
			. s3:GetObject mybucket/*/x token=*x
			. s3:GetObject mybucket/David/x token=*
			. s3:GetObject mybucket//x token=
			+ s3:ListBucket mybucket prefix=David/
			. s3:ListBucket mybucket prefix=David
			. s3:ListBucket mybucket
			. s3:ListBucket mybucket prefix=Adele/`},
		"Bucket policy examples: Managing access based on specific IP addresses": {`{"Version": "2012-10-17", "Id": "S3PolicyId1", "Statement": [
			{"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
			{"Sid": "IPAllow", "Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"], "Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}]}`, `
			+ s3:GetObject b/k
			- s3:GetObject b/k ip=198.51.100.1
			- s3:ListBucket b ip=2001:db8::1
			- s3:ListBucket b ip=
			- s3:ListBucket b ip=somewhere
			+ s3:ListBucket c ip=198.51.100.1`},
		"Bucket policy examples: Restricting access to only HTTPS requests": {`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
			{"Sid": "RestrictToTLSRequestsOnly", "Action": "s3:*", "Effect": "Deny", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}`, `
			+ s3:GetObject b/k
			- s3:GetObject b/k http`},
		"Bucket policy examples using condition keys: canned ACL, storage class, encryption": {`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": ["s3:PutObject", "s3:PutObjectAcl"], "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}},
			{"Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringNotEquals": {"s3:x-amz-storage-class": ["STANDARD_IA", "GLACIER"]}}},
			{"Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"Null": {"s3:x-amz-server-side-encryption": "true"}}}]}`, `
			+ s3:PutObject b/k X-Amz-Acl=bucket-owner-full-control X-Amz-Storage-Class=GLACIER X-Amz-Server-Side-Encryption=AES256
			. s3:PutObject b/k X-Amz-Acl=public-read X-Amz-Storage-Class=GLACIER X-Amz-Server-Side-Encryption=AES256
			. s3:PutObject b/k X-Amz-Storage-Class=GLACIER X-Amz-Server-Side-Encryption=AES256
			- s3:PutObject b/k X-Amz-Acl=bucket-owner-full-control X-Amz-Storage-Class=STANDARD X-Amz-Server-Side-Encryption=AES256
			- s3:PutObject b/k X-Amz-Acl=bucket-owner-full-control X-Amz-Server-Side-Encryption=AES256
			- s3:PutObject b/k X-Amz-Acl=bucket-owner-full-control X-Amz-Storage-Class=GLACIER`},
		"Controlling access to a bucket with user policies: the root, and one folder": {`{"Version": "2012-10-17", "Statement": [
			{"Sid": "AllowRootLevelListingOfTheBucket", "Action": ["s3:ListBucket"], "Effect": "Allow", "Resource": ["arn:aws:s3:::companybucket"], "Condition": {"StringEquals": {"s3:prefix": [""], "s3:delimiter": ["/"]}}},
			{"Sid": "AllowListBucketIfSpecificPrefixIsIncludedInRequest", "Action": ["s3:ListBucket"], "Effect": "Allow", "Resource": ["arn:aws:s3:::companybucket"], "Condition": {"StringLike": {"s3:prefix": ["Development/*"]}}},
			{"Sid": "AllowUserToReadWriteObjectDataInDevelopmentFolder", "Action": ["s3:GetObject", "s3:PutObject"], "Effect": "Allow", "Resource": ["arn:aws:s3:::companybucket/Development/*"]},
			{"Sid": "ExplicitlyDenyAnyRequestsForAllOtherFoldersExceptDevelopment", "Action": ["s3:ListBucket"], "Effect": "Deny", "Resource": ["arn:aws:s3:::companybucket"],
			 "Condition": {"StringNotLike": {"s3:prefix": ["Development/*", ""]}, "Null": {"s3:prefix": false}}}]}`, `
			+ s3:ListBucket companybucket prefix= delimiter=/
			. s3:ListBucket companybucket prefix=
			. s3:ListBucket companybucket
			+ s3:ListBucket companybucket prefix=Development/
			- s3:ListBucket companybucket prefix=Private/
			+ s3:PutObject companybucket/Development/x
			. s3:PutObject companybucket/Private/x`},
		"Bucket policy examples using condition keys: max-keys and versions": {`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObjectVersion"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]},
			{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"NumericGreaterThan": {"s3:max-keys": "10"}}},
			{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"Null": {"s3:max-keys": "true"}}},
			{"Effect": "Deny", "Action": "s3:GetObjectVersion", "Resource": "arn:aws:s3:::b/HappyFace.jpg", "Condition": {"StringNotEquals": {"s3:VersionId": "AaaHbAQitwiL_h47_44lRO2DDfLlBO5e"}}}]}`, `
			+ s3:ListBucket b max-keys=10
			- s3:ListBucket b max-keys=11
			- s3:ListBucket b max-keys=+11
			- s3:ListBucket b
			+ s3:GetObjectVersion b/HappyFace.jpg version=AaaHbAQitwiL_h47_44lRO2DDfLlBO5e
			- s3:GetObjectVersion b/HappyFace.jpg version=other
			+ s3:GetObjectVersion b/SadFace.jpg version=other`},
		"AWS: Allows access based on date and time": {`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
			"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2026-04-01T00:00:00Z"}, "DateLessThan": {"aws:CurrentTime": "2026-06-30T23:59:59Z"}}}}`, `
			+ s3:GetObject b/k at=2026-05-01T00:00:00Z
			. s3:GetObject b/k at=2026-03-31T23:59:59Z
			. s3:GetObject b/k at=2026-04-01T00:00:00Z
			. s3:GetObject b/k at=2026-07-01T00:00:00Z`},
		"IAM JSON policy elements: NotAction and NotResource": {`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "NotAction": ["s3:DeleteBucket"], "Resource": "arn:aws:s3:::*"},
			{"Effect": "Deny", "Action": "s3:*", "NotResource": ["arn:aws:s3:::HRBucket/Payroll", "arn:aws:s3:::HRBucket/Payroll/*"]}]}`, `
			+ s3:GetObject HRBucket/Payroll/x
			- s3:GetObject HRBucket/x
			- s3:DeleteBucket HRBucket
			- s3:ListAllMyBuckets`},
	} {
		t.Run(name, func(t *testing.T) { expect(t, identity(t, c.document), c.outcomes) })
	}
}

// Catalogs of tables hand out keys that they narrow to one table, by policies of
// these forms. All of them leave the rest of the bucket alone.
func TestPoliciesThatCatalogsWriteNarrow(t *testing.T) {
	const narrowed = `
		+ s3:GetObject lake/db/t/data/1.parquet
		. s3:GetObject lake/db/t2/data/1.parquet
		. s3:GetObject lake/db/x
		. s3:GetObject other/db/t/data/1.parquet
		. s3:DeleteBucket lake
		. s3:PutObjectAcl lake/db/t2/data/1.parquet
		. s3:GetObjectVersion lake/db/t2/data/1.parquet version=v
		+ s3:ListBucket lake prefix=db/t/
		+ s3:ListBucket lake prefix=db/t/data/
		. s3:ListBucket lake prefix=db/t2/
		. s3:ListBucket lake prefix=
		. s3:ListBucket lake
		. s3:ListBucketVersions lake prefix=db/t/`
	const writes = `
		+ s3:PutObject lake/db/t/data/2.parquet
		+ s3:DeleteObject lake/db/t/data/2.parquet
		. s3:PutObject lake/db/t2/2.parquet
		. s3:DeleteObject lake/db/t2/2.parquet`
	const versions = `
		+ s3:GetObjectVersion lake/db/t/data/1.parquet version=v
		. s3:DeleteObjectVersion lake/db/t/data/1.parquet version=v
		. s3:PutObjectAcl lake/db/t/data/1.parquet`
	const exact = `
		. s3:PutObjectAcl lake/db/t/data/1.parquet
		. s3:GetObjectVersion lake/db/t/data/1.parquet version=v`
	const uploads = `
		+ s3:AbortMultipartUpload lake/db/t/data/2.parquet
		+ s3:ListMultipartUploadParts lake/db/t/data/2.parquet
		. s3:AbortMultipartUpload lake/db/t2/2.parquet`
	for name, c := range map[string]struct{ document, outcomes string }{
		"Lakekeeper": {`{"Version": "2012-10-17", "Statement": [
			{"Sid": "TableAccess", "Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:DeleteObject"], "Resource": "arn:aws:s3:::lake/db/t/*"},
			{"Sid": "ListBucketForFolder", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake", "Condition": {"StringLike": {"s3:prefix": "db/t/*"}}},
			{"Sid": "GetBucketLocation", "Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": "arn:aws:s3:::lake"},
			{"Sid": "KmsAccess", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "arn:aws:kms:eu-central-1:123456789012:key/7c9a"}]}`, writes + uploads + versions + `
			+ s3:GetBucketLocation lake
			. s3:GetBucketLocation other`},
		"Lakekeeper, before it knew versions": {`{"Version": "2012-10-17", "Statement": [
			{"Sid": "TableAccess", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"], "Resource": ["arn:aws:s3:::lake/db/t/", "arn:aws:s3:::lake/db/t/*"]},
			{"Sid": "ListBucketForFolder", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake", "Condition": {"StringLike": {"s3:prefix": "db/t/*"}}}]}`, writes + uploads + exact},
		"Polaris": {`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": "arn:aws:s3:::lake/db/t/*"},
			{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake", "Condition": {"StringLike": {"s3:prefix": "db/t/*"}}},
			{"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": "arn:aws:s3:::lake"},
			{"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": "arn:aws:s3:::lake/db/t/*"}]}`, writes + versions + `
			+ s3:GetBucketLocation lake
			. s3:GetBucketLocation other`},
		"Polaris, with an encrypted bucket": {`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": "arn:aws:s3:::lake/db/t/*"},
			{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake", "Condition": {"StringLike": {"s3:prefix": "db/t/*"}}},
			{"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": "arn:aws:s3:::lake"},
			{"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectAttributes"], "Resource": "arn:aws:s3:::lake/db/t/*"},
			{"Effect": "Allow", "Action": ["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "arn:aws:kms:us-east-1:123456789012:key/*"}]}`, writes + exact},
		"Unity Catalog, by patterns of actions": {`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": ["s3:GetO*", "s3:PutO*", "s3:DeleteO*", "s3:*Multipart*"], "Resource": ["arn:aws:s3:::lake/db/t/*", "arn:aws:s3:::lake/db/t"]},
			{"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::lake"], "Condition": {"StringLike": {"s3:prefix": ["db/t", "db/t/", "db/t/*"]}}}]}`, writes + uploads + `
			+ s3:GetObjectVersion lake/db/t/data/1.parquet version=v
			+ s3:PutObjectAcl lake/db/t/data/1.parquet`},
		"Unity Catalog": {`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"], "Resource": ["arn:aws:s3:::lake/db/t/*", "arn:aws:s3:::lake/db/t"]},
			{"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::lake"], "Condition": {"StringLike": {"s3:prefix": ["db/t", "db/t/", "db/t/*"]}}},
			{"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": ["*"], "Condition": {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}}]}`, writes + uploads + exact + `
			+ s3:ListBucket lake prefix=db/t`},
		"Gravitino, to read": {`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/db/t/*"},
			{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake", "Condition": {"StringLike": {"s3:prefix": ["db/t", "db/t/*"]}}},
			{"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": "arn:aws:s3:::lake"}]}`, exact + `
			. s3:PutObject lake/db/t/data/2.parquet
			. s3:DeleteObject lake/db/t/data/2.parquet`},
		"a path with characters that mean something": {`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::lake/a${*}b${$}{aws:username}${?}/*", "arn:aws:s3:::lake/db/t/*"]},
			{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake", "Condition": {"StringLike": {"s3:prefix": "db/t/*"}}}]}`, `
			+ s3:GetObject lake/a*b${aws:username}?/x
			. s3:GetObject lake/aXb${aws:username}?/x
			. s3:GetObject lake/a*bDavid?/x
			. s3:GetObject lake/a*b${aws:username}X/x`},
	} {
		t.Run(name, func(t *testing.T) { expect(t, identity(t, c.document), narrowed+c.outcomes) })
	}
}

func TestAStatementAppliesToItsPrincipals(t *testing.T) {
	p, err := Parse([]byte(`{"Version": "2012-10-17", "Statement": [
		{"Principal": {"Token": ["alice", "team-*", "odd${*}"]}, "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
		{"Principal": {"Token": "*"}, "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"},
		{"Principal": "*", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::public/*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, p, `
		+ s3:GetObject b/k token=alice
		+ s3:GetObject b/k token=team-red
		+ s3:GetObject b/k token=odd*
		. s3:GetObject b/k token=oddity
		. s3:GetObject b/k token=Alice
		. s3:GetObject b/k token=
		+ s3:ListBucket b token=mallory
		. s3:ListBucket b token=
		+ s3:GetObject public/k token=`)
}
