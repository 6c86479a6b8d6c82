package stores

import "testing"

func TestAHostTellsHowFarItsStoreIsSThree(t *testing.T) {
	for host, want := range map[string]Dialect{
		"s3-eu-west-1.amazonaws.com":                       {OpaqueKeys: true, Complete: true},
		"s3.dualstack.eu-west-1.amazonaws.com":             {OpaqueKeys: true, Complete: true},
		"s3-accelerate.amazonaws.com":                      {OpaqueKeys: true, Complete: true},
		"s3-fips.us-gov-west-1.amazonaws.com":              {OpaqueKeys: true, Complete: true},
		"ap-1234.s3-accesspoint.us-east-2.amazonaws.com":   {OpaqueKeys: true, Complete: true},
		"bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com": {OpaqueKeys: true, Complete: true},
		"s3express-usw2-az1.us-west-2.amazonaws.com":       {OpaqueKeys: true, Complete: true},
		"minio-123456.eu-west-1.elb.amazonaws.com":         {},
		"s3-gateway-1.eu-west-1.elb.amazonaws.com":         {},
		"s3.elb.eu-west-1.amazonaws.com":                   {},
		"ec2-203-0-113-7.compute-1.amazonaws.com":          {},
		"abc.execute-api.eu-west-1.amazonaws.com":          {},
		"s3.amazonaws.com":                                 {OpaqueKeys: true, Complete: true},
		"s3.eu-west-1.amazonaws.com":                       {OpaqueKeys: true, Complete: true},
		"s3.cn-north-1.amazonaws.com.cn":                   {OpaqueKeys: true, Complete: true},
		"s3.amazonaws.com.evil.example":                    {},
		"amazonaws.com":                                    {},
		"s3.eu-de.cloud-object-storage.appdomain.cloud":    {IBM: true, OpaqueKeys: true},
		"storage.googleapis.com":                           {OpaqueKeys: true},
		"objects-us-east-1.dream.io":                       {OpaqueKeys: true},
		"rook-ceph-rgw-store.rook-ceph.svc":                {OpaqueKeys: true},
		"minio.example":                                    {},
	} {
		if got := DialectOf(host); got != want {
			t.Errorf("%s: %+v", host, got)
		}
	}
}
