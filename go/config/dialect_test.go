package config

import (
	"testing"

	"osp/go/stores"
)

func TestAnEntryKnowsBetterThanItsHost(t *testing.T) {
	for entry, want := range map[string]stores.Dialect{
		`"host": "S3.amazonaws.com"`: {OpaqueKeys: true, Complete: true},
		`"host": "s3.amazonaws.com", "keys": "path", "complete": false, "unknown_operations": true`: {UnknownOperations: true},
		`"host": "minio.example"`:                                     {},
		`"host": "minio.example", "keys": "opaque", "complete": true`: {OpaqueKeys: true, Complete: true},
	} {
		if got := storesOf(t, `{"photos": {"port": 443, `+entry+`}}`).Buckets.Find("photos").Dialect; got != want {
			t.Errorf("%s: %+v", entry, got)
		}
	}
}
