package s3op

import (
	"slices"
	"strings"
	"testing"
)

func noField(string) bool { return false }

func actionsOf(op Operation, version bool, fields ...string) string {
	var names []string
	for _, a := range op.Actions(nil, version, func(name string) bool { return slices.Contains(fields, name) }) {
		names = append(names, strings.TrimPrefix(a.String(), "s3:"))
	}
	return strings.Join(names, " ")
}

func TestOperationsNeedTheActionsThatAWSNames(t *testing.T) {
	for _, c := range []struct {
		op      Operation
		version bool
		fields  []string
		want    string
	}{
		{op: GetObject, want: "GetObject"},
		{op: GetObject, version: true, want: "GetObjectVersion"},
		{op: "HeadObject", want: "GetObject"},
		{op: "GetObjectAttributes", version: true, want: "GetObjectVersion GetObjectVersionAttributes"},
		{op: "GetObjectTagging", version: true, want: "GetObjectVersionTagging"},
		{op: ListObjects, want: "ListBucket"},
		{op: ListObjectsV2, want: "ListBucket"},
		{op: "HeadBucket", want: "ListBucket"},
		{op: ListObjectVersions, want: "ListBucketVersions"},
		{op: "ListMultipartUploads", want: "ListBucketMultipartUploads"},
		{op: "ListParts", want: "ListMultipartUploadParts"},
		{op: ListBuckets, want: "ListAllMyBuckets"},
		{op: CompleteMultipartUpload, want: "PutObject"},
		{op: UploadPart, want: "PutObject"},
		{op: UploadPartCopy, want: "PutObject"},
		{op: RenameObject, want: "PutObject"},
		{op: PostObject, fields: []string{"X-Amz-Acl"}, want: "PutObject PutObjectAcl"},
		{op: PutObject, fields: []string{"X-Amz-Tagging", "X-Amz-Object-Lock-Mode"}, want: "PutObject PutObjectTagging PutObjectRetention"},
		{op: CopyObject, fields: []string{"X-Amz-Grant-Read"}, want: "PutObject PutObjectAcl"},
		{op: "PutObjectAcl", fields: []string{"X-Amz-Acl"}, want: "PutObjectAcl"},
		{op: "PutObjectAcl", version: true, fields: []string{"X-Amz-Acl"}, want: "PutObjectVersionAcl"},
		{op: "CreateBucket", fields: []string{"X-Amz-Acl", "X-Amz-Bucket-Object-Lock-Enabled"}, want: "CreateBucket PutBucketAcl PutBucketObjectLockConfiguration PutBucketVersioning"},
		{op: DeleteObject, version: true, fields: []string{"X-Amz-Bypass-Governance-Retention"}, want: "DeleteObjectVersion BypassGovernanceRetention"},
		{op: DeleteObjects, fields: []string{"X-Amz-Bypass-Governance-Retention"}, want: "DeleteObject BypassGovernanceRetention"},
		{op: UploadPart, fields: []string{"X-Amz-Acl", "X-Amz-Tagging"}, want: "PutObject PutObjectAcl PutObjectTagging"},
		{op: UploadPartCopy, fields: []string{"X-Amz-Object-Lock-Legal-Hold"}, want: "PutObject PutObjectLegalHold"},
		{op: CompleteMultipartUpload, fields: []string{"X-Amz-Object-Lock-Mode", "X-Amz-Grant-Read"}, want: "PutObject PutObjectAcl PutObjectRetention"},
		{op: PutObject, fields: []string{"X-Amz-Bypass-Governance-Retention"}, want: "PutObject BypassGovernanceRetention"},
		{op: PutObject, fields: []string{"Retention-Period"}, want: "PutObject PutObjectRetention"},
		{op: CopyObject, fields: []string{"Retention-Expiration-Date"}, want: "PutObject PutObjectRetention"},
		{op: CompleteMultipartUpload, fields: []string{"Retention-Legal-Hold-Id"}, want: "PutObject PutObjectLegalHold"},
		{op: GetObject, fields: []string{"X-Amz-Acl", "X-Amz-Tagging"}, want: "GetObject"},
		{op: "PutBucketCors", fields: []string{"X-Amz-Acl", "X-Amz-Tagging"}, want: "PutBucketCORS PutBucketAcl"},
		{op: "DeleteBucketCors", want: "PutBucketCORS"},
		{op: "GetBucketLifecycleConfiguration", want: "GetLifecycleConfiguration"},
		{op: Unknown, want: "Unknown"},
		{op: Preflight, want: ""}, // which nobody signs
	} {
		if got := actionsOf(c.op, c.version, c.fields...); got != c.want {
			t.Errorf("%s, version %v, %v: %s, want %s", c.op, c.version, c.fields, got, c.want)
		}
	}
}

func TestEveryOperationNeedsAnAction(t *testing.T) {
	names := Actions()
	if len(names) > 256 || !slices.IsSorted(names[:len(names)-1]) || names[len(names)-1] != "s3:Unknown" {
		t.Fatalf("%d actions: %v", len(names), names)
	}
	for i := range model {
		for _, version := range []bool{false, true} {
			if len(model[i].name.Actions(nil, version, noField)) == 0 {
				t.Errorf("%s needs none", model[i].name)
			}
		}
	}
}

// A header of S3's that orders something is that of some operation; a misspelt one is not.
func TestEveryOrderBelongsToAnOperation(t *testing.T) {
	for _, o := range orders {
		for _, field := range strings.Fields(o.fields) {
			belongs := strings.HasPrefix(field, "Retention-") || slices.ContainsFunc(model, func(s spec) bool {
				return s.at == o.at && slices.Contains(strings.Fields(s.headers), strings.ToLower(field))
			})
			if !belongs {
				t.Errorf("%s of %s", field, o.action)
			}
		}
	}
}
