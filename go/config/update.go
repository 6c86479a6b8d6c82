package config

import (
	"osp/go/limits"
	"osp/go/policy"
	"osp/go/secret"
	"osp/go/stores"
)

// Update is a change of the stores, the client keys, the policies or the limits of a server that runs.
type Update struct {
	buckets  *stores.Buckets         // nil: they stay as they are
	keystore map[string]secret.Value // nil likewise
	policy   *policy.Policy          // nil likewise: a policy is replaced, but never taken away
	shadow   *policy.Policy          // nil likewise
	limits   *limits.Rules           // nil likewise
}

// ParseUpdate reads the parameters cos_map, hmac_keystore, policy, shadow_policy and limits of Parse, of
// which each may be missing, for a server that was started with c; governed tells
// that it has a policy by now. Its error is that of Parse.
func (c *Config) ParseUpdate(data []byte, governed bool) (*Update, error) {
	mistakes := &MistakesError{}
	top := decode(data, mistakes)
	if top == nil {
		return nil, mistakes
	}
	u := &Update{policy: readPolicy(top.take("policy")), shadow: readPolicy(top.take("shadow_policy"))}
	if v := top.take("cos_map"); v != nil {
		buckets := c.readBuckets(v, governed || top.fields["policy"] != nil)
		u.buckets = &buckets
	}
	if v := top.take("hmac_keystore"); v != nil {
		u.keystore = readKeystore(v)
	}
	u.limits = c.readRules(top.take("limits"))
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
	if u.policy != nil {
		after.Policy = u.policy
	}
	if u.shadow != nil {
		after.Shadow = u.shadow
	}
	if u.limits != nil {
		after.Limits = u.limits.OrNone()
	}
	return &after
}
