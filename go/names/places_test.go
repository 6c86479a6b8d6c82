package names

import (
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"testing"

	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/stores"
)

// ownTags are such as MinIO writes.
var ownTags = []string{
	"", "[minio_cache:v2,return:]", "[minio_cache:v2,id:756593ce-2722-49bf-9813-6f701febb098,p:0,s:0]",
}

// forgedTags make MinIO write or delete files elsewhere, or might.
var forgedTags = []string{
	"[minio_cache:v2,return:,id:../../vault/x]", "[minio_cache:v2,id:..,return:]", "[minio_cache:v2,[id:../x,return:]",
	"[minio_cache:v2,id:756593ce-2722-49bf-9813-6f701febb098,p:-1,s:-1]", "[minio_cache:v2,return:,id:756593ce-2722-49bf-9813-6f701febb098]",
	"[minio_cache:v2,return:][return:,id:..]", "[minio_cache:v2,return:]x", "[minio_cache:v2,return:][minio_cache:v2,return:,id:..]",
	"[minio_cache:v2", "[minio_cache:v9,return:,id:..]",
}

func TestPagesBeginAtKeysAndNotAtPathsOfTheStore(t *testing.T) {
	path, opaque := &stores.Bucket{Name: "b", Remote: "b"}, &stores.Bucket{Name: "b", Remote: "b", Dialect: stores.Dialect{OpaqueKeys: true}}
	folder := &stores.Bucket{Name: "b", Remote: "real", Prefix: "team/"}
	listings := map[string]s3op.Operation{
		"marker": s3op.ListObjects, "start-after": "ListObjectsV2", "key-marker": "ListObjectVersions", "continuation-token": "ListObjectsV2",
	}
	for name, op := range listings {
		asked := func(b *stores.Bucket, key string) error {
			if name == "continuation-token" {
				key = base64.StdEncoding.EncodeToString([]byte(key))
			}
			_, err := Query(b, op, s3op.Query{{Name: name, Value: key}})
			return err
		}
		for _, tag := range ownTags {
			if err := asked(path, "dir/k"+tag); err != nil {
				t.Errorf("%s with %q: %v", name, tag, err)
			}
			if err := asked(folder, "dir/k"+tag); err != nil && name != "continuation-token" { // which is sealed
				t.Errorf("%s of a folder with %q: %v", name, tag, err)
			}
		}
		for _, tag := range forgedTags {
			for _, b := range []*stores.Bucket{path, folder} {
				if err := asked(b, "dir/k"+tag); !errors.Is(err, s3err.InvalidArgument) {
					t.Errorf("%s with %q: %v", name, tag, err)
				}
			}
			if err := asked(opaque, "dir/k"+tag); err != nil {
				t.Errorf("%s with %q where keys are opaque: %v", name, tag, err)
			}
		}
	}
	for _, key := range []string{"foo...", "a/b..", "-../c"} {
		token := base64.StdEncoding.EncodeToString([]byte(key))
		if _, err := Query(path, "ListObjectsV2", s3op.Query{{Name: "continuation-token", Value: token}}); err != nil {
			t.Errorf("a page after %s: %v", key, err)
		}
	}
	up := base64.URLEncoding.EncodeToString([]byte("dir/../../vault/x"))
	if _, err := Query(path, "ListObjectsV2", s3op.Query{{Name: "continuation-token", Value: up}}); !errors.Is(err, s3err.InvalidArgument) {
		t.Errorf("a token that climbs: %v", err)
	}
}

func TestNoUploadIsAPathOfTheStore(t *testing.T) {
	const own = "8af5da12-14e9-4da3-b24b-aa1b1345c827.db795642-9aac-4966-9bc0-534c5a38fd11x1795710696495894193"
	path, opaque := &stores.Bucket{Name: "b", Remote: "b"}, &stores.Bucket{Name: "b", Remote: "b", Dialect: stores.Dialect{OpaqueKeys: true}}
	asked := func(b *stores.Bucket, id string) error {
		_, err := Query(b, "AbortMultipartUpload", s3op.Query{{Name: "uploadId", Value: id}})
		return err
	}
	for inside, ok := range map[string]bool{
		own: true, "x.../../../vault/k": false, "x...": false, "x./../k": false, "x.//../../k": false, "\x01.a/../../k": false,
		`x..\..\k`: false, "a/../../k": false, "x.a..b": true, "x.../" + own: false,
	} {
		id := base64.RawURLEncoding.EncodeToString([]byte(inside))
		if err := asked(path, id); (err == nil) != ok {
			t.Errorf("%q: %v", inside, err)
		}
		if err := asked(opaque, id); err != nil {
			t.Errorf("%q where keys are opaque: %v", inside, err)
		}
	}
	// What S3Proxy reads as an upload of another key; and ids of versitygw, Garage, AWS, some by chance with bytes that look like a path.
	for id, ok := range map[string]bool{
		"db795642-9aac-4966-9bc0-534c5a38fd11-secret": false, "db795642-9aac-4966-9bc0-534c5a38fd11": true, "4f0d5e7a9b": true,
		"i6jRiIA6SEh9ytrVydAdcxBhg0vz0C4u": true, "XA4_lC4uXCpU.DY_pC6Zs5TnlS10fivY": true, "2~h0aB3": true,
	} {
		if err := asked(path, id); (err == nil) != ok {
			t.Errorf("%s: %v", id, err)
		}
	}
	random, raw := rand.New(rand.NewPCG(1, 2)), make([]byte, 96)
	for range 50_000 {
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		if id := base64.RawURLEncoding.EncodeToString(raw); asked(path, id) != nil {
			t.Errorf("%s is refused", id)
		}
	}
}

func TestNoKeyHasWhatAStoreAppendsToOne(t *testing.T) {
	path := &stores.Bucket{Name: "b", Remote: "b"}
	for _, key := range []string{"k[minio_cache:v2,return:]", ".uploads/x/0001.part", "k.versions/v_1", ".mpus-1-k-1", "a/.mpus-1"} {
		if err := CheckKey(path, key); !errors.Is(err, s3err.InvalidURI) {
			t.Errorf("%s: %v", key, err)
		}
	}
	for _, key := range []string{"libs.versions.toml", "versions/1", "uploads/x", "a.uploads", "mpus-1"} {
		if err := CheckKey(path, key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}
