package copier

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"osp/go/s3op"
	"osp/go/upstream"
)

const wrongETag = `"00000000000000000000000000000000"`

// What a store keeps in place of the copy is deleted if that can't hit anything else,
// and the client is told what there is.
func TestAWrongObjectIsDeletedOrTold(t *testing.T) {
	part := func(r *Request) { r.Operation, r.Uploads = s3op.UploadPartCopy, NewUploads() }
	for name, c := range map[string]struct {
		version string
		change  func(*Request)
		early   bool // the store does not wait for the bytes
		status  int  // of the deletion
		deleted []string
		told    string
	}{
		"a version":                    {version: "v1", status: 204, deleted: []string{"v1"}, told: "was deleted."},
		"a version that can't go":      {version: "v1", status: 403, deleted: []string{"v1"}, told: "is still there."},
		"no version":                   {told: "is still there."},
		"the version that all share":   {version: "null", told: "is still there."},
		"a part":                       {version: "v1", change: part, told: "must not be completed with that part."},
		"a version that came early":    {version: "v1", early: true, status: 204, deleted: []string{"v1"}, told: "was deleted."},
		"an object that came early":    {early: true, told: "is still there."},
		"a deletion that says nothing": {version: "v1", status: 302, deleted: []string{"v1"}, told: "is still there."},
	} {
		var deleted []string
		d := &double{t: t, body: "hello"}
		r := request()
		r.Checksums = false
		if c.change != nil {
			c.change(&r)
		}
		_, err := copyBy(t, r, func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
			stored := response(200, http.Header{"Etag": {wrongETag}, "X-Amz-Version-Id": {c.version}}, strings.NewReader(""), 0)
			switch {
			case call.Method == http.MethodDelete:
				version, _ := call.Query.Get("versionId")
				deleted = append(deleted, version)
				if call.Bucket.Name != "to" || call.Key != "k" {
					t.Errorf("%s: %s of %s was deleted", name, call.Key, call.Bucket.Name)
				}
				return response(c.status, nil, strings.NewReader(""), 0), nil
			case call.Method == http.MethodPut && !c.early:
				_, _ = io.Copy(io.Discard, call.Body)
				return stored, nil
			case call.Method == http.MethodPut:
				return stored, nil
			}
			return d.send(ctx, call)
		})
		if err == nil || !strings.Contains(err.Error(), c.told) || !slices.Equal(deleted, c.deleted) {
			t.Errorf("%s: %v, deleted %q", name, err, deleted)
		}
	}
}

func TestAWrongObjectIsAlsoDeletedWhenTheClientHasLeft(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	d, deleted := &double{t: t, body: "hello"}, false
	send := func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
		switch call.Method {
		case http.MethodDelete:
			deleted = ctx.Err() == nil
			return response(204, nil, strings.NewReader(""), 0), nil
		case http.MethodPut:
			_, _ = io.Copy(io.Discard, call.Body)
			leave()
			return response(200, http.Header{"Etag": {wrongETag}, "X-Amz-Version-Id": {"v1"}}, strings.NewReader(""), 0), nil
		}
		return d.send(ctx, call)
	}
	r := request()
	r.Checksums = false
	c, err := Begin(ctx, r, send)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Transfer(ctx); err == nil || !deleted {
		t.Errorf("%v, deleted %v", err, deleted)
	}
}
