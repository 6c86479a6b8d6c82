package names

import (
	"encoding/base64"
	"math/rand/v2"
	"testing"

	"osp/go/s3op"
	"osp/go/stores"
)

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
