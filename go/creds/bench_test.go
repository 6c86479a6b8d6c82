package creds

import (
	"testing"
	"time"

	"osp/go/secret"
	"osp/go/stores"
)

func BenchmarkSecret(b *testing.B) {
	keystore := map[string]secret.Value{"own": secret.New("kept")}
	for name, key := range map[string]string{"from the keystore": "own", "fetched before": "other"} {
		b.Run(name, func(b *testing.B) {
			c := NewClientKeys((&directory{}).fetch, keepSecret, Options{})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Secret(b.Context(), keystore, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFor(b *testing.B) {
	own := bucket("photos", time.Hour)
	own.AccessKey, own.SecretKey = "key", secret.New("s")
	for name, entry := range map[string]*stores.Bucket{"of the entry": own, "fetched before": bucket("photos", time.Hour)} {
		b.Run(name, func(b *testing.B) {
			r := New((&owner{}).fetch, noBearer, nil, Options{})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.For(b.Context(), entry, "token"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
