package s3req

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"osp/go/s3err"
)

func TestParseKeepsTheBytesOfTheKey(t *testing.T) {
	cases := []struct{ name, target, bucket, key string }{
		{"a plain key", "/b/k.txt", "b", "k.txt"},
		{"an encoded slash is a slash of the key", "/b/a%2Fb", "b", "a/b"},
		{"double slashes stay", "/b//a///b", "b", "/a///b"},
		{"a plus in the path is a plus", "/b/a+b%2B", "b", "a+b+"},
		{"a trailing slash belongs to the key", "/b/dir/", "b", "dir/"},
		{"raw and encoded UTF-8 mean the same", "/b/é%C3%A9", "b", "éé"},
		{"bytes that are not UTF-8 survive", "/b/%FF%00", "b", "\xff\x00"},
		{"dots within a segment are no path", "/b/..a/.b/c..", "b", "..a/.b/c.."},
		{"the bucket alone", "/b", "b", ""},
		{"the bucket with a slash", "/b/", "b", ""},
		{"the service", "/", "", ""},
		{"the absolute form", "http://proxy:80/b/k?x=1", "b", "k"},
		{"the absolute form without a path", "http://proxy", "", ""},
		{"a URL as the key", "/b/http://x/y", "b", "http://x/y"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := Parse("GET", c.target, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Bucket != c.bucket || r.Key != c.key {
				t.Errorf("got bucket %q key %q", r.Bucket, r.Key)
			}
		})
	}
}

func TestNoOtherDialectIsSpoken(t *testing.T) {
	for _, name := range []string{"X-Amz-Rename-Source", "X-Goog-Copy-Source", "X-Oss-Copy-Source", "X-Any-Copy-Source-Range",
		"X-Minio-Force-Delete", "X-Minio-Source-Mtime", "Rgwx-Uid", "X-Rgw-Auth", "x-goog-copy-source"} {
		if _, err := Parse("PUT", "/b/k", "", http.Header{name: {"/other/k"}}); !errors.Is(err, s3err.NotImplemented) {
			t.Errorf("header %s: %v", name, err)
		}
		if _, err := Parse("PUT", "/b/k?"+name+"=/other/k", "", nil); !errors.Is(err, s3err.NotImplemented) {
			t.Errorf("parameter %s: %v", name, err)
		}
	}
	for _, query := range []string{"x-amz-copy-source=/b/k", "X-Amz-Copy-Source=/b/k", "x-amz-copy-source-range=bytes=0-1", "%78-amz-copy-source=/b/k", "renameObject"} {
		if _, err := Parse("PUT", "/b/k?"+query, "", nil); !errors.Is(err, s3err.NotImplemented) {
			t.Errorf("%s: %v", query, err)
		}
	}
	for _, query := range []string{"uploadId=../x", "uploadId=..", "uploadId=a%2Fb", "uploadId=a%5Cb", "versionId=%00", "versionId=../secret", "partNumber=1/../2&uploadId=u", "partNumber=-1&uploadId=u"} {
		if _, err := Parse("PUT", "/b/k?"+query, "", nil); !errors.Is(err, s3err.InvalidArgument) {
			t.Errorf("%s: %v", query, err)
		}
	}
	for _, query := range []string{"uploadId=2~abc.DEF_-&partNumber=10000", "versionId=null", "versionId=3L4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", "x-amz-acl=private"} {
		header := http.Header{"X-Amz-Copy-Source-If-Match": {"e"}, "X-Amz-Copy-Source-Range": {"bytes=0-1"}, "Ibm-Sse-Kp-Encryption-Algorithm": {"AES256"}}
		if _, err := Parse("PUT", "/b/k?"+query, "", header); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestTheHostMayNameTheBucket(t *testing.T) {
	for target, want := range map[string][3]string{
		"/":               {"", "/b/", "ListObjects"},
		"/?acl":           {"", "/b/", "GetBucketAcl"},
		"/k%20/b":         {"k /b", "/b/k%20/b", "GetObject"},
		"//k":             {"/k", "/b//k", "GetObject"},
		"http://h/k":      {"k", "/b/k", "GetObject"},
		"http://h?acl=/k": {"", "/b/", "GetBucketAcl"}, // what an authority's query holds is no path
		"/other/key?":     {"other/key", "/b/other/key", "GetObject"},
	} {
		r, err := Parse("GET", target, "b", nil)
		if err != nil {
			t.Errorf("%s: %v", target, err)
		} else if r.Bucket != "b" || r.Key != want[0] || r.Path != want[1] || string(r.Operation) != want[2] || "/b"+r.RawPath != r.Path {
			t.Errorf("%s: got %+v", target, r)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	cases := []struct {
		name, target string
		want         *s3err.Error
	}{
		{"half a percent escape", "/b/%4", s3err.InvalidURI},
		{"a percent escape of other characters", "/b/%zz", s3err.InvalidURI},
		{"a malformed escape in the query", "/b?prefix=%", s3err.InvalidURI},
		{"no slash at the start", "b/k", s3err.InvalidURI},
		{"an empty target", "", s3err.InvalidURI},
		{"a fragment", "/b/k#f", s3err.InvalidURI},
		{"another scheme", "ftp://h/b/k", s3err.InvalidURI},
		{"a space", "/b/a b", s3err.InvalidURI},
		{"a key without a bucket", "//k", s3err.InvalidURI},
		{"a step up", "/b/../other/k", s3err.InvalidURI},
		{"an encoded step up", "/b/x/%2e%2E/k", s3err.InvalidURI},
		{"a step up behind an encoded slash", "/b/x%2F..%2Fk", s3err.InvalidURI},
		{"a step to the same place", "/b/./k", s3err.InvalidURI},
		{"a key of 1025 bytes", "/b/" + strings.Repeat("k", 1025), s3err.KeyTooLong},
		{"a parameter given twice", "/b?prefix=a&prefix=b", s3err.InvalidArgument},
		{"a parameter given twice, once encoded", "/b?prefix=a&%70refix=b", s3err.InvalidArgument},
		{"two subresources", "/b/k?acl&tagging", s3err.InvalidArgument},
		{"an operation that hands out store credentials", "/b?session", s3err.NotImplemented},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse("GET", c.target, "", nil); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %s", err, c.want.Code)
			}
		})
	}
}

func TestOperationHasTheNameOfTheAPI(t *testing.T) {
	copying := http.Header{"X-Amz-Copy-Source": {"/src/key"}}
	form := http.Header{"Content-Type": {"Multipart/Form-Data; boundary=x"}}
	cases := []struct {
		method, target string
		header         http.Header
		want           Operation
	}{
		{"GET", "/", nil, "ListBuckets"},
		{"GET", "/b", nil, "ListObjects"},
		{"GET", "/b?list-type=2&prefix=", nil, "ListObjectsV2"},
		{"GET", "/b?versions", nil, "ListObjectVersions"},
		{"GET", "/b?uploads=", nil, "ListMultipartUploads"},
		{"GET", "/b?location", nil, "GetBucketLocation"},
		{"HEAD", "/b", nil, "HeadBucket"},
		{"PUT", "/b", nil, "CreateBucket"},
		{"PUT", "/b?policy", nil, "PutBucketPolicy"},
		{"DELETE", "/b?cors", nil, "DeleteBucketCors"},
		{"POST", "/b?delete", nil, "DeleteObjects"},
		{"POST", "/b", form, "PostObject"},
		{"GET", "/b/k", nil, "GetObject"},
		{"GET", "/b/k?x-id=GetObject&response-content-type=", nil, "GetObject"},
		{"GET", "/b/k?versionId=1", nil, "GetObject"},
		{"GET", "/b/k?uploadId=1", nil, "ListParts"},
		{"GET", "/b/k?attributes", nil, "GetObjectAttributes"},
		{"HEAD", "/b/k", nil, "HeadObject"},
		{"PUT", "/b/k", nil, "PutObject"},
		{"PUT", "/b/k", copying, "CopyObject"},
		{"PUT", "/b/k?partNumber=1&uploadId=2", nil, "UploadPart"},
		{"PUT", "/b/k?partNumber=1&uploadId=2", copying, "UploadPartCopy"},
		{"PUT", "/b/k?tagging", nil, "PutObjectTagging"},
		{"POST", "/b/k?uploads", nil, "CreateMultipartUpload"},
		{"POST", "/b/k?uploadId=2", nil, "CompleteMultipartUpload"},
		{"POST", "/b/k?select&select-type=2", nil, "SelectObjectContent"},
		{"DELETE", "/b/k?uploadId=2", nil, "AbortMultipartUpload"},
		{"GET", "/b/k?brand-new", nil, "Unknown"},
		{"PUT", "/b?brand-new", nil, "Unknown"},
		{"HEAD", "/b/k?acl", nil, "Unknown"},
		{"OPTIONS", "/b/k", nil, "Preflight"},
	}
	for _, c := range cases {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			r, err := Parse(c.method, c.target, "", c.header)
			if err != nil {
				t.Fatal(err)
			}
			if r.Operation != c.want {
				t.Errorf("got %s", r.Operation)
			}
		})
	}
	for _, target := range []string{"PATCH /b", "POST /", "POST /b/k", "POST /b", "PUT /b?versions"} {
		method, path, _ := strings.Cut(target, " ")
		if _, err := Parse(method, path, "", nil); !errors.Is(err, s3err.MethodNotAllowed) {
			t.Errorf("%s: got %v", target, err)
		}
	}
}

func TestCopySource(t *testing.T) {
	parse := func(value ...string) (*Request, error) {
		return Parse("PUT", "/b/k", "", http.Header{"X-Amz-Copy-Source": value})
	}
	for value, want := range map[string]CopySource{
		"src/a/b":                      {Bucket: "src", Key: "a/b"},
		"/src/a%20b%2Fc+":              {Bucket: "src", Key: "a b/c+"},
		"%2Fsrc%2Fk":                   {Bucket: "src", Key: "k"},
		"/src/k?versionId=a%2Fb":       {Bucket: "src", Key: "k", VersionID: "a/b"},
		"/src/what%3FversionId=3/k%25": {Bucket: "src", Key: "what?versionId=3/k%"},
	} {
		r, err := parse(value)
		if err != nil {
			t.Errorf("%s: %v", value, err)
		} else if *r.CopySource != want {
			t.Errorf("%s: got %+v", value, *r.CopySource)
		}
	}
	for _, value := range []string{"", "src", "/src/", "//k", "src/../other/k", "src/%2e%2e/k", "src/k?versionId=1&x=2", "src/k?x", "src/%4"} {
		if _, err := parse(value); err == nil {
			t.Errorf("%q is accepted", value)
		}
	}
	if _, err := parse("a/b", "c/d"); err == nil {
		t.Error("two copy sources are accepted")
	}
	if _, err := parse("arn:aws:s3:us-west-2:1:accesspoint/x/object/k"); !errors.Is(err, s3err.NotImplemented) {
		t.Errorf("an ARN: %v", err)
	}
}

func TestCopySourceHeaderMeansTheSame(t *testing.T) {
	c := CopySource{Bucket: "b", Key: "a ?+%/ü", VersionID: "v&1"}
	r, err := Parse("PUT", "/b/k", "", http.Header{"X-Amz-Copy-Source": {c.Header("b")}})
	if err != nil || *r.CopySource != c {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestWrites(t *testing.T) {
	for op, want := range map[Operation]bool{
		GetObject: false, ListBuckets: false, "HeadBucket": false, "SelectObjectContent": false,
		"PutObject": true, DeleteObjects: true, Unknown: true, "": true, "RestoreObject": true,
	} {
		if op.Writes() != want {
			t.Errorf("%s: Writes() = %v", op, !want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, target := range []string{"/b/k?a=b", "/b/%2e", "//", "http://h/b?%41=1", "/b/k?acl&x", "/b/\xff%ff"} {
		f.Add("GET", target)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		r, err := Parse(method, target, "", nil)
		if err != nil {
			return
		}
		// What goes to a store must mean what the validator saw.
		again, err := Parse(method, "/"+EscapeKey(r.Bucket)+"/"+EscapeKey(r.Key)+"?"+r.Query.Encode(), "", nil)
		if strings.Contains(r.Bucket, "/") {
			return // no configured bucket has such a name
		}
		if err != nil {
			t.Fatalf("%q: its encoding is refused: %v", target, err)
		}
		if again.Bucket != r.Bucket || again.Key != r.Key || again.Operation != r.Operation {
			t.Fatalf("%q: %+v became %+v", target, r, again)
		}
	})
}
