package config

import (
	"osp/go/secret"
	"osp/go/stores"
)

// Update is a change of the stores or the client keys of a server that runs.
type Update struct {
	buckets  *stores.Buckets         // nil: they stay as they are
	keystore map[string]secret.Value // nil likewise
}

// ParseUpdate reads the parameters cos_map and hmac_keystore of Parse, of which
// each may be missing, for a server that was started with c. Its error is that
// of Parse.
func (c *Config) ParseUpdate(data []byte) (*Update, error) {
	mistakes := &MistakesError{}
	top := decode(data, mistakes)
	if top == nil {
		return nil, mistakes
	}
	u := &Update{}
	if v := top.take("cos_map"); v != nil {
		buckets := c.readBuckets(v)
		u.buckets = &buckets
	}
	if v := top.take("hmac_keystore"); v != nil {
		u.keystore = readKeystore(v)
	}
	top.finish()
	if len(mistakes.Mistakes) > 0 {
		return nil, mistakes
	}
	return u, nil
}

// Apply returns what becomes of stores. Entries that did not change stay the
// same, so that what is remembered for them outlives the update.
func (u *Update) Apply(before *stores.Set) *stores.Set {
	after := *before
	if u.buckets != nil {
		after.Buckets = *u.buckets
		after.Buckets.Keep(before.Buckets)
	}
	if u.keystore != nil {
		after.Keystore = u.keystore
	}
	return &after
}
