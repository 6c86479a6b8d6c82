package s3op

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"osp/go/s3err"
)

// requestOf makes a request for an operation: its target with everything that
// selects the operation, and the header that it needs.
func requestOf(s *spec) (target string, header http.Header) {
	target = map[scope]string{service: "/", bucket: "/b", object: "/b/k"}[s.at]
	var query []string
	query = append(query, strings.Fields(s.selects)...)
	for _, name := range strings.Fields(s.needs) {
		query = append(query, name+"=1")
	}
	switch s.name {
	case CopyObject, UploadPartCopy:
		header = http.Header{copySource: {"/src/k"}}
	case RenameObject:
		header = http.Header{renameSource: {"k"}}
	}
	return target + "?" + strings.Join(query, "&"), header
}

// everyParam is every parameter of every operation, and some that S3 lacks.
func everyParam() []string {
	all := map[string]bool{"bogus": true, "replication-reset": true, "lambdaArn": true, "append": true, "ACL": true, "Uploads": true}
	for i := range model {
		maps.Copy(all, ready(&model[i]).params)
	}
	return slices.Sorted(maps.Keys(all))
}

// What a log says of a request is as much as the operation says by itself.
func TestARecordedOperationHasItsFallback(t *testing.T) {
	for i := range model {
		op := model[i].name
		r := Recorded(op, model[i].method, "b", "a b")
		if r == nil || r.Path != "/b/a%20b" || r.Writes() != op.Writes() {
			t.Fatalf("%s: %+v", op, r)
		}
	}
	for target, method := range map[string]string{"/b/k?tagging": "DELETE", "/b?website": "PUT", "/b/k": "GET", "/b?list-type=2": "GET", "/b/k?uploadId=u": "DELETE"} {
		parsed, err := Parse(method, target, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if r := Recorded(parsed.Operation, method, parsed.Bucket, parsed.Key); r.Fallback != parsed.Fallback || r.Path != parsed.Path {
			t.Errorf("%s %s: %+v", method, target, r)
		}
	}
	if Recorded("Nonsense", "GET", "b", "k") != nil {
		t.Error("an operation that there is not")
	}
}

func TestEveryOperationIsFoundByItsOwnRequest(t *testing.T) {
	for i := range model {
		s := &model[i]
		target, header := requestOf(s)
		r, err := Parse(s.method, target, "", header)
		if err != nil || r.Operation != s.name || r.Unlisted != nil {
			t.Errorf("%s %s: %+v, %v, not %s", s.method, target, r, err, s.name)
			continue
		}
		for name := range ready(s).params {
			if strings.Contains(target, "?"+name) || strings.Contains(target, "&"+name) {
				continue
			}
			r, err := Parse(s.method, target+"&"+name+"=1", "", header)
			if err != nil || r.Unlisted != nil {
				t.Errorf("%s with %s: %v, %v", s.name, name, err, r.Unlisted)
			}
		}
	}
}

// A parameter that does not belong to an operation turns it into another one to
// which it does belong, or into no request of S3.
func TestNoParameterIsPassedOver(t *testing.T) {
	for i := range model {
		s := &model[i]
		target, header := requestOf(s)
		for _, name := range everyParam() {
			if ready(s).params[name] || everywhere[name] {
				continue
			}
			for _, value := range []string{"", "=", "=1", "=x/y"} {
				r, err := Parse(s.method, target+"&"+name+value, "", header)
				if err != nil || r.Unlisted != nil {
					continue
				}
				known := slices.IndexFunc(model, func(other spec) bool { return other.name == r.Operation })
				if r.Operation == s.name || known < 0 || !ready(&model[known]).params[name] {
					t.Errorf("%s with %s%s is %s", s.name, name, value, r.Operation)
				}
			}
		}
	}
}

func TestWhatSThreeDoesNotHaveIsUnlisted(t *testing.T) {
	for target, want := range map[string]*s3err.Error{
		"DELETE /b/k?retention": s3err.MethodNotAllowed, "DELETE /b/k?legal-hold": s3err.MethodNotAllowed,
		"DELETE /b/k?acl": s3err.MethodNotAllowed, "DELETE /b?versioning": s3err.MethodNotAllowed,
		"DELETE /b?object-lock": s3err.MethodNotAllowed, "HEAD /b/k?acl": s3err.MethodNotAllowed,
		"POST /": s3err.MethodNotAllowed, "POST /b": s3err.MethodNotAllowed,
		"POST /b/k": s3err.MethodNotAllowed, "PUT /b?versions": s3err.MethodNotAllowed,
		"DELETE /b/k?bogus": s3err.NotImplemented, "PUT /b?replication-reset=x": s3err.NotImplemented,
		"GET /b?replication-check=x": s3err.NotImplemented, "GET /b/k?lambdaArn=a": s3err.NotImplemented,
		"GET /b/k?response-anything=x": s3err.NotImplemented, "GET /b/k?prefix=": s3err.NotImplemented,
		"GET /b/k?x-amz-anything=x": s3err.NotImplemented, "GET /b/k?x-amz-date=1": s3err.NotImplemented,
		"PUT /b/k?partNumber=1": s3err.NotImplemented,
	} {
		method, path, _ := strings.Cut(target, " ")
		r, err := Parse(method, path, "", nil)
		// If there is an operation, every rule for it stays in force.
		none := errors.Is(want, s3err.MethodNotAllowed)
		if err != nil || !errors.Is(r.Unlisted, want) || none != (r.Operation == Unknown) || !r.Writes() {
			t.Errorf("%s: %+v, %v", target, r, err)
		}
	}
	for _, method := range []string{"PATCH", "get", "TRACE", "DELETE /b/k?", ""} {
		if _, err := Parse(method, "/b/k", "", nil); !errors.Is(err, s3err.MethodNotAllowed) {
			t.Errorf("the method %q: %v", method, err)
		}
	}
	r, err := Parse("PUT", "/b/k", "", http.Header{"X-Amz-If-Condition-Of-Tomorrow": {"x"}})
	if err != nil || !errors.Is(r.Unlisted, s3err.NotImplemented) {
		t.Errorf("a field that S3 does not have: %+v, %v", r, err)
	}
}

func TestAParameterHasTheValueThatItNeeds(t *testing.T) {
	for _, target := range []string{
		"DELETE /b/k?uploadId", "DELETE /b/k?uploadId=", "PUT /b/k?uploadId=u", "PUT /b/k?uploadId=u&partNumber=",
		"PUT /b/k?uploadId=&partNumber=1", "PUT /b/k?uploadId=u&partNumber=-1",
		"GET /b/k?partNumber=+1", "GET /b/k?partNumber=", "GET /b/k?versionId=",
		"DELETE /b/k?versionId", "GET /b?list-type=1", "GET /b?list-type", "GET /b?acl=1", "POST /b/k?uploads=x", "POST /b/k?select",
		"POST /b/k?select&select-type=1", "PUT /b?inventory", "DELETE /b?metrics=&id=", "GET /b/k?annotation&annotationName=",
		"GET /b/k?uploadId=../x", "GET /b/k?uploadId=..", "GET /b/k?uploadId=a%2Fb", "GET /b/k?uploadId=a%5Cb",
		"GET /b/k?versionId=%20", "DELETE /b/k?versionId=%C2%A0", "GET /b/k?versionId=v%20", "GET /b/k?versionId=urn:uuid:v",
		"GET /b/k?versionId=8C0A0D2E-6F1B-4C2B-9F9A-0A1B2C3D4E5F", "GET /b/k?versionId={v}", "GET /b/k?versionId=x8c0a0d2e-6f1b-4c2b-9f9a-0a1b2c3d4e5fx", "GET /b/k?versionId=-8c0a0d2e-6f1b-4c2b-9f9a-0a1b2c3d4e5f-",
		"GET /b/k?uploadId=%20",
		"GET /b/k?versionId=%00", "GET /b/k?versionId=../secret", "GET /b?versions&version-id-marker=a/b",
	} {
		method, path, _ := strings.Cut(target, " ")
		if r, err := Parse(method, path, "", nil); !errors.Is(err, s3err.InvalidArgument) {
			t.Errorf("%s: %+v, %v", target, r, err)
		}
	}
	for _, target := range []string{
		"PUT /b/k?uploadId=2~abc.DEF_-&partNumber=10000", "GET /b/k?versionId=null", "GET /b?acl=", "GET /b?prefix=&marker=",
		"GET /b/k?versionId=8c0a0d2e-6f1b-4c2b-9f9a-0a1b2c3d4e5f",
		"GET /b/k?versionId=3L4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", "PUT /b/k?x-amz-acl=private", "PUT /b/k?X-Amz-Meta-Colour=red",
		"GET /b/k?x-id=GetObject&response-content-type=&response-expires=x", "GET /b?list-type=2&allow-unordered=true",
		"GET /b/k?X-Amz-Signature=s&X-Amz-Credential=c",
	} {
		method, path, _ := strings.Cut(target, " ")
		if r, err := Parse(method, path, "", nil); err != nil || r.Unlisted != nil {
			t.Errorf("%s: %+v, %v", target, r, err)
		}
	}
}

func TestWhatAStoreWithoutTheOperationDoesIsNamed(t *testing.T) {
	for target, want := range map[string]Operation{
		"DELETE /b/k?tagging": DeleteObject, "DELETE /b/k?uploadId=u": DeleteObject, "PUT /b/k?acl": PutObject,
		"PUT /b/k?retention": PutObject, "GET /b/k?attributes": GetObject, "GET /b/k?uploadId=u": GetObject,
		"DELETE /b?policy": "DeleteBucket", "PUT /b?website": "CreateBucket", "GET /b?inventory": ListObjects,
		"GET /b?uploads": ListObjects, "GET /b/k": "", "GET /b?versions": "", "GET /b?list-type=2": "", "POST /b?delete": "",
		"PUT /b/k?uploadId=u&partNumber=1": "", "POST /b/k?uploads": "", "POST /b/k?uploadId=u": "",
	} {
		method, path, _ := strings.Cut(target, " ")
		if r, err := Parse(method, path, "", nil); err != nil || r.Fallback != want {
			t.Errorf("%s: %+v, %v", target, r, err)
		}
	}
	// Everything that a store could ignore is named, except for the three that
	// allow no less than their fallback.
	for i := range model {
		s := &model[i]
		target, header := requestOf(s)
		r, err := Parse(s.method, target, "", header)
		if err != nil {
			t.Fatal(err)
		}
		_, plain := operations[selected{s.method, s.at, ""}]
		may := plain && ready(s).selector != "" && !asDangerous[s.name] && s.name != UploadPartCopy
		if may != (r.Fallback != "") {
			t.Errorf("%s falls back to %q", s.name, r.Fallback)
		}
	}
}

func TestASecondObjectIsNamedByItsOwnOperationsOnly(t *testing.T) {
	for i := range model {
		s := &model[i]
		target, _ := requestOf(s)
		for _, name := range []string{copySource, renameSource} {
			r, err := Parse(s.method, target, "", http.Header{name: {"src/k"}})
			if err == nil {
				belongs := name == copySource && (r.Operation == CopyObject || r.Operation == UploadPartCopy) ||
					name == renameSource && r.Operation == RenameObject
				if !belongs {
					t.Errorf("%s with %s is %s", s.name, name, r.Operation)
				}
			}
		}
	}
	for _, value := range []string{"", "/b/k", "/k", "%2Fk", "a%", "arn:aws:s3:::b/k"} {
		if r, err := Parse("PUT", "/b/k?renameObject", "", http.Header{renameSource: {value}}); err == nil {
			t.Errorf("renaming %q: %+v", value, r)
		}
	}
	r, err := Parse("PUT", "/b/k?renameObject", "", http.Header{renameSource: {"a%20b/c"}})
	if err != nil || r.RenameSource != "a b/c" || r.Fallback != PutObject {
		t.Errorf("renaming: %+v, %v", r, err)
	}
	if _, err := Parse("PUT", "/b/k?renameObject", "", nil); err == nil {
		t.Error("a renaming without a source is accepted")
	}
}

func TestBrowsersHaveOperationsOfTheirOwn(t *testing.T) {
	form := http.Header{"Content-Type": {"Multipart/Form-Data; boundary=x"}}
	if r, err := Parse("POST", "/b", "", form); err != nil || r.Operation != PostObject || !r.HasBody() {
		t.Errorf("a form: %+v, %v", r, err)
	}
	if r, err := Parse("POST", "/b?x-note=1", "", form); err != nil || len(r.Query) > 0 {
		t.Errorf("a note on a form: %+v, %v", r, err)
	}
	for _, target := range []string{"/b?versionId=5", "/b?prefix=public/", "/b?x-amz-acl=private", "/b?role=admin", "/b?delete", "/b?metadataTable"} {
		if r, err := Parse("POST", target, "", form); err == nil {
			t.Errorf("a form to %s: %+v", target, r)
		}
	}
	if r, err := Parse("POST", "/b/k?uploads", "", form); err != nil || r.Operation != "CreateMultipartUpload" {
		t.Errorf("an upload of a form that somebody keeps: %+v, %v", r, err)
	}
	if r, err := Parse("OPTIONS", "/b/k?acl&anything=x", "", nil); err != nil || r.Operation != Preflight || r.Unlisted != nil {
		t.Errorf("a preflight: %+v, %v", r, err)
	}
}

func TestNoOtherDialectIsSpoken(t *testing.T) {
	for _, name := range []string{"X-Goog-Copy-Source", "X-Oss-Copy-Source", "X-Any-Copy-Source-Range", "X-Any-Rename-Source",
		"X-Amz-Copy_Source", "X-Amz-Copy-Source_", "x-amz-copy_source-range", "X-Amz-Meta_Colour",
		"X-Minio-Force-Delete", "X-Minio-Source-Mtime", "X-Minio-Extract", "Rgwx-Uid", "X-Rgw-Auth", "x-goog-copy-source",
		"X-Amz-Meta-Snowball-Auto-Extract", "x-amz-meta-snowball-auto-extract", "X-Amz-Meta-Minio-Snowball-Prefix"} {
		if _, err := Parse("PUT", "/b/k", "", http.Header{name: {"/other/k"}}); !errors.Is(err, s3err.NotImplemented) {
			t.Errorf("header %s: %v", name, err)
		}
		if _, err := Parse("PUT", "/b/k?"+name+"=/other/k", "", nil); !errors.Is(err, s3err.NotImplemented) {
			t.Errorf("parameter %s: %v", name, err)
		}
	}
	for _, query := range []string{"x-amz-copy-source=/b/k", "X-Amz-Copy-Source=/b/k", "x-amz-copy-source-range=bytes=0-1",
		"%78-amz-copy-source=/b/k", "X-Amz-Rename-Source=k", "session"} {
		if _, err := Parse("PUT", "/b/k?"+query, "", nil); !errors.Is(err, s3err.NotImplemented) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// Stores ignore the case of such a header, and read it in the order of a map.
func TestAnOrderIsGivenOnce(t *testing.T) {
	for _, query := range []string{"x-amz-meta-role=low&X-Amz-Meta-Role=admin", "x-Amz-tagging=t&X-Amz-Tagging=u", several(20) + "&x-amz-acl=a&X-AMZ-ACL=b"} {
		if r, err := Parse("PUT", "/b/k?"+query, "", nil); !errors.Is(err, s3err.InvalidArgument) {
			t.Errorf("%s: %+v, %v", query, r, err)
		}
	}
	if r, err := Parse("PUT", "/b/k?x-amz-acl=public-read", "", http.Header{"X-Amz-Acl": {"private"}}); !errors.Is(err, s3err.InvalidArgument) {
		t.Errorf("in the query and in a field: %+v, %v", r, err)
	}
}

func TestAnIdOfHexDigitsMayBeAUUID(t *testing.T) {
	for id, want := range map[string]string{
		"8C0A0D2E6F1B4C2B9F9A0A1B2C3D4E5F": "8c0a0d2e-6f1b-4c2b-9f9a-0a1b2c3d4e5f", "": "", "null": "",
		"8c0a0d2e-6f1b-4c2b-9f9a-0a1b2c3d4e5f": "", "8c0a0d2e6f1b4c2b9f9a0a1b2c3d4e5": "", "xc0a0d2e6f1b4c2b9f9a0a1b2c3d4e5f": "",
	} {
		if got := UUID(id); got != want {
			t.Errorf("%s: %q", id, got)
		}
	}
}

func TestNotesAndSignaturesEndHere(t *testing.T) {
	q := Query{{"x-amz-user-agent", "aws-sdk-js"}, {"X-Amz-Signature", "s"}, {"x-id", "GetObject"}, {"X-Amz-Credential", ""}, {"x-note", "1"}, {"X-User", "u"}, {"x-amz-acl", "private"}, {"versionId", "1"}}
	if got := q.ForStore().Encode(); got != "x-id=GetObject&x-amz-acl=private&versionId=1" {
		t.Errorf("got %s", got)
	}
}

func TestAFieldOfS3HasOneLine(t *testing.T) {
	for name, ok := range map[string]bool{
		"X-Amz-Bypass-Governance-Retention": false, "X-Amz-Acl": false, "X-Amz-Object-Attributes": true, "X-Amz-Optional-Object-Attributes": true,
		"X-Amz-Meta-A": true, "If-None-Match": true,
	} {
		if _, err := Parse("DELETE", "/b/k", "", http.Header{name: {"true", "false"}}); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnOperationTakesItsOwnHeaders(t *testing.T) {
	for _, c := range []struct {
		op   Operation
		name string
		want bool
	}{
		{CopyObject, "X-Amz-Metadata-Directive", true}, {PutObject, "X-Amz-Metadata-Directive", false},
		{CopyObject, "If-None-Match", true}, {UploadPartCopy, "X-Amz-Storage-Class", false},
		{UploadPart, "Content-Md5", true}, {CopyObject, "Content-Md5", false}, {Unknown, "If-Match", false},
	} {
		if got := c.op.Takes(c.name); got != c.want {
			t.Errorf("%s takes %s: %v", c.op, c.name, got)
		}
	}
}
