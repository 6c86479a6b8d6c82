package config

import (
	"fmt"
	"testing"
)

func TestAHostTellsHowFarItsStoreIsSThree(t *testing.T) {
	for host, want := range map[string][3]bool{ // IBM, opaque keys, complete
		"s3-eu-west-1.amazonaws.com":                       {false, true, true},
		"s3.dualstack.eu-west-1.amazonaws.com":             {false, true, true},
		"s3-accelerate.amazonaws.com":                      {false, true, true},
		"s3-fips.us-gov-west-1.amazonaws.com":              {false, true, true},
		"ap-1234.s3-accesspoint.us-east-2.amazonaws.com":   {false, true, true},
		"bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com": {false, true, true},
		"s3express-usw2-az1.us-west-2.amazonaws.com":       {false, true, true},
		"minio-123456.eu-west-1.elb.amazonaws.com":         {false, false, false},
		"s3-gateway-1.eu-west-1.elb.amazonaws.com":         {false, false, false},
		"s3.elb.eu-west-1.amazonaws.com":                   {false, false, false},
		"ec2-203-0-113-7.compute-1.amazonaws.com":          {false, false, false},
		"abc.execute-api.eu-west-1.amazonaws.com":          {false, false, false},
		"s3.amazonaws.com":                                 {false, true, true},
		"s3.eu-west-1.amazonaws.com":                       {false, true, true},
		"s3.cn-north-1.amazonaws.com.cn":                   {false, true, true},
		"s3.amazonaws.com.evil.example":                    {false, false, false},
		"amazonaws.com":                                    {false, false, false},
		"s3.eu-de.cloud-object-storage.appdomain.cloud":    {true, true, false},
		"storage.googleapis.com":                           {false, true, false},
		"objects-us-east-1.dream.io":                       {false, true, false},
		"rook-ceph-rgw-store.rook-ceph.svc":                {false, true, false},
		"minio.example":                                    {false, false, false},
	} {
		b := storesOf(t, fmt.Sprintf(`{"photos": {"host": %q, "port": 443}}`, host)).Buckets.Find("photos")
		if got := [3]bool{b.IBM, b.OpaqueKeys, b.Complete}; got != want || b.UnknownOperations {
			t.Errorf("%s: %v", host, got)
		}
	}
	b := storesOf(t, `{"photos": {"host": "s3.amazonaws.com", "port": 443, "keys": "path", "complete": false, "unknown_operations": true}}`).Buckets.Find("photos")
	if b.OpaqueKeys || b.Complete || !b.UnknownOperations {
		t.Errorf("an entry that says otherwise: %+v", b)
	}
}

func TestNamesOfAStoresOwnAreNoBucketsUnderAPattern(t *testing.T) {
	b := storesOf(t, `{"*": {"host": "h", "port": 1}, "swift": {"host": "exact", "port": 1}}`).Buckets
	for _, name := range []string{"minio", "MinIO", ".minio.sys", "admin", "auth", "AUTH", ".sgwtmp", "health", "metrics"} {
		if found := b.Find(name); found != nil {
			t.Errorf("%s is a bucket of %s", name, found.Host)
		}
	}
	if found := b.Find("swift"); found == nil || found.Host != "exact" {
		t.Errorf("an entry of that very name: %+v", found)
	}
}
