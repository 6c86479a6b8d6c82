package s3op

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"osp/go/s3err"
	"osp/go/wire"
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

func TestTheHostMayNameTheBucket(t *testing.T) {
	for target, want := range map[string][3]string{
		"/":                  {"", "/b", "ListObjects"},
		"/?acl":              {"", "/b", "GetBucketAcl"},
		"/k%20/b":            {"k /b", "/b/k%20/b", "GetObject"},
		"/%6B%2fl":           {"k/l", "/b/k/l", "GetObject"},
		"//k":                {"/k", "/b//k", "GetObject"},
		"http://h/k":         {"k", "/b/k", "GetObject"},
		"http://h?prefix=/k": {"", "/b", "ListObjects"}, // the query after an authority contains no path
		"/other/key?":        {"other/key", "/b/other/key", "GetObject"},
	} {
		r, err := Parse("GET", target, "b", nil)
		if err != nil {
			t.Errorf("%s: %v", target, err)
		} else if r.Bucket != "b" || r.Key != want[0] || r.Path != want[1] || string(r.Operation) != want[2] || !r.Virtual {
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
		{"a key of 1025 bytes", "/b/" + strings.Repeat("k", 1025), s3err.KeyTooLong},
		{"a prefix of 1025 bytes", "/b?prefix=" + strings.Repeat("%70", 1025), s3err.KeyTooLong},
		{"a prefix of 1025 bytes, of versions", "/b?versions&prefix=" + strings.Repeat("p", 1025), s3err.KeyTooLong},
		{"a version of 1025 bytes", "/b/k?versionId=" + strings.Repeat("v", 1025), s3err.InvalidArgument},
		{"a version of 1025 bytes to begin after", "/b?versions&key-marker=k&version-id-marker=" + strings.Repeat("v", 1025), s3err.InvalidArgument},
		{"a delimiter that no key can contain", "/b?delimiter=" + strings.Repeat("d", 1025), s3err.InvalidArgument},
		{"a parameter given twice", "/b?prefix=a&prefix=b", s3err.InvalidArgument},
		{"a parameter given twice, once encoded", "/b?prefix=a&%70refix=b", s3err.InvalidArgument},
		{"a parameter given twice, far apart", "/b?prefix=a&" + several(40) + "&prefix=b", s3err.InvalidArgument},
		{"more parameters than S3 has", "/b?" + several(maxParams+1), s3err.InvalidArgument},
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

func TestWhatIsAsLongAsItMayBeIsParsed(t *testing.T) {
	long := strings.Repeat("%61", 1024)
	for _, target := range []string{
		"/b/" + long + "?versionId=" + long, "/b?prefix=" + long + "&delimiter=" + long, "/b?versions&key-marker=" + long + "&version-id-marker=" + long,
	} {
		if _, err := Parse("GET", target, "", nil); err != nil {
			t.Errorf("%.20s: %v", target, err)
		}
	}
	source := http.Header{"X-Amz-Copy-Source": {"b/" + long + "?versionId=" + long}}
	if _, err := Parse("PUT", "/b/k", "", source); err != nil {
		t.Error(err)
	}
	source["X-Amz-Copy-Source"][0] += "a"
	if _, err := Parse("PUT", "/b/k", "", source); !errors.Is(err, s3err.InvalidArgument) {
		t.Errorf("a version of 1025 bytes: %v", err)
	}
}

func several(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&x-%d", i)
	}
	return b.String()[1:]
}

func TestOneObjectHasOnePath(t *testing.T) {
	for _, target := range []string{"/b/public/x%20y", "/b/%70ublic/x%20y", "/b/public%2Fx%20y", "/%62/public/x%20%79", "http://h/b/public/x%20y"} {
		r, err := Parse("GET", target, "", nil)
		if err != nil || r.Path != "/b/public/x%20y" {
			t.Errorf("%s: %+v, %v", target, r, err)
		}
	}
	for _, target := range []string{"/b", "/b/", "/%62/"} {
		if r, err := Parse("GET", target, "", nil); err != nil || r.Path != "/b" {
			t.Errorf("%s: %+v, %v", target, r, err)
		}
	}
}

func TestCopySource(t *testing.T) {
	parse := func(value ...string) (*Request, error) {
		return Parse("PUT", "/b/k", "", http.Header{"X-Amz-Copy-Source": value})
	}
	for value, want := range map[string]CopySource{
		"src/a/b":                      {Bucket: "src", Key: "a/b"},
		"/src/a%20b%2Fc+d%2B":          {Bucket: "src", Key: "a b/c d+"},
		"%2Fsrc%2Fk":                   {Bucket: "src", Key: "k"},
		"/src/k?versionId=a%2Bb":       {Bucket: "src", Key: "k", VersionID: "a+b"},
		"/src/what%3FversionId=3/k%25": {Bucket: "src", Key: "what?versionId=3/k%"},
	} {
		r, err := parse(value)
		if err != nil {
			t.Errorf("%s: %v", value, err)
		} else if *r.CopySource != want {
			t.Errorf("%s: got %+v", value, *r.CopySource)
		}
	}
	for _, value := range []string{"", "src", "/src/", "//k", "src/k?versionId=a%2Fb", "src/k?versionId=%2e.", "src/k?versionId=1&x=2", "src/k?x", "src/%4"} {
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
	c := CopySource{Bucket: "b", Key: "a ?+%/ü", VersionID: "v+1"}
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
		again, err := Parse(method, "/"+wire.Encode(r.Bucket, wire.InPath)+"/"+wire.Encode(r.Key, wire.InPath)+"?"+r.Query.Encode(), "", nil)
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
