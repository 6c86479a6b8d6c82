package config

import (
	"osp/go/identity"
	"osp/go/limits"
	"osp/go/policy"
	"osp/go/roles"
	"osp/go/secret"
	"osp/go/stores"
)

// Running is what a server goes by now, as far as an update has to fit it.
type Running struct {
	Governed bool // there is a policy for all entries
	Roles    roles.Settings
}

// Update is a change of the stores, the client keys, the policies, the issuers, the roles
// or the limits of a server that runs.
type Update struct {
	buckets  *stores.Buckets         // nil: they stay as they are
	keystore map[string]secret.Value // nil likewise
	policy   *policy.Policy          // nil likewise: a policy is replaced, but never taken away
	shadow   *policy.Policy          // nil likewise
	issuers  []identity.Issuer       // nil likewise
	roles    map[string]*roles.Role  // nil likewise
	limits   *limits.Rules           // nil likewise
}

// ParseUpdate reads the parameters cos_map, hmac_keystore, policy, shadow_policy, issuers,
// roles and limits of Parse, of which each may be missing, for a server that was started with c.
// Its error is that of Parse.
func (c *Config) ParseUpdate(data []byte, now Running) (*Update, error) {
	mistakes := &MistakesError{}
	top := decode(data, mistakes)
	if top == nil {
		return nil, mistakes
	}
	u := &Update{policy: readPolicy(top.take("policy")), shadow: readPolicy(top.take("shadow_policy"))}
	if v := top.take("cos_map"); v != nil {
		buckets := c.readBuckets(v, now.Governed || top.fields["policy"] != nil)
		u.buckets = &buckets
	}
	if v := top.take("hmac_keystore"); v != nil {
		u.keystore = readKeystore(v)
	}
	u.limits = c.readRules(top.take("limits"))
	identities := readIdentities(top, now.Roles)
	if top.fields["issuers"] != nil {
		u.issuers = identities.Issuers
	}
	if top.fields["roles"] != nil {
		u.roles = identities.Roles
	}
	if u.buckets != nil {
		c.checkBearers(mistakes, u.buckets, identities)
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
	if u.policy != nil {
		after.Policy = u.policy
	}
	if u.roles != nil {
		after.Roles = boundsOf(u.roles)
	}
	if u.shadow != nil {
		after.Shadow = u.shadow
	}
	if u.limits != nil {
		after.Limits = u.limits.OrNone()
	}
	return &after
}

// ApplyRoles returns what becomes of issuers and roles.
func (u *Update) ApplyRoles(before roles.Settings) roles.Settings {
	if u.issuers != nil {
		before.Issuers = u.issuers
	}
	if u.roles != nil {
		before.Roles = u.roles
	}
	return before
}
