package config

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"osp/go/identity"
	"osp/go/policy"
	"osp/go/roles"
	"osp/go/stores"
)

var roleName = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{1,64}$`)

// readIdentities reads issuers and roles. What is not given is as before.
func readIdentities(top *dict, before roles.Settings) roles.Settings {
	s := before
	if v := top.take("issuers"); v != nil {
		s.Issuers = readIssuers(v)
	}
	if v := top.take("roles"); v != nil {
		s.Roles = readRoles(v)
		confused := roles.Confused(s.Roles)
		for _, name := range slices.Sorted(maps.Keys(confused)) {
			top.mistakes.add("roles["+strconv.Quote(shorten(name))+"].token",
				"could give a subject the token of somebody else, in role %q: what stands before or after {subject} has to differ, as in {issuer}#{subject}", shorten(confused[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Roles)) {
		for _, url := range s.Roles[name].Issuers {
			if !slices.ContainsFunc(s.Issuers, func(i identity.Issuer) bool { return i.URL == url }) {
				top.mistakes.add("roles["+strconv.Quote(shorten(name))+"].issuers", "names one that is not in issuers")
			}
		}
	}
	return s
}

// checkBearers reports entries that take bearer tokens for a role that nobody can get by one.
func (c *Config) checkBearers(m *MistakesError, buckets *stores.Buckets, now roles.Settings) {
	for _, b := range buckets.Entries() {
		role := now.Roles[b.Bearer]
		path := "cos_map[" + strconv.Quote(shorten(b.Name)) + "].bearer"
		switch {
		case b.Bearer == "":
		case len(now.Issuers) == 0:
			m.add(path, "needs issuers: nobody's tokens count")
		case role == nil && !c.Has("role_assumer"):
			m.add(path, "must name one of roles, unless there is a role_assumer")
		case role != nil && len(role.Issuers) == 0:
			m.add(path, "must name a role with issuers")
		}
	}
}

// boundsOf are the policies of roles, by their names.
func boundsOf(list map[string]*roles.Role) map[string]*policy.Policy {
	bounds := make(map[string]*policy.Policy, len(list))
	for name, role := range list {
		bounds[name] = role.Policy
	}
	return bounds
}

// readIssuers reads whose identity tokens count.
func readIssuers(v *value) []identity.Issuer {
	all := v.dict()
	if all == nil {
		return nil
	}
	issuers := make([]identity.Issuer, 0, len(all.fields))
	for _, url := range slices.Sorted(maps.Keys(all.fields)) {
		item := &value{v.mistakes, v.path + "[" + strconv.Quote(shorten(url)) + "]", all.fields[url]}
		if err := identity.CheckURL(url); err != nil {
			item.reject("%s", err)
		}
		if d := item.dict(); d != nil {
			issuers = append(issuers, readIssuer(url, d))
		}
	}
	return issuers
}

func readIssuer(url string, d *dict) identity.Issuer {
	i := identity.Issuer{URL: url, Audiences: d.need("audiences").texts()}
	i.CAs = readAuthorities(d.take("ca_file"))
	if keys := d.take("jwks_url"); keys != nil {
		i.JWKS, _ = keys.str()
		if err := identity.CheckURL(i.JWKS); err != nil && i.JWKS != "" {
			keys.reject("%s", err)
		}
	}
	if file := d.take("token_file"); file != nil && readFile(file) != nil {
		i.TokenFile, _ = file.str()
	}
	d.finish()
	return i
}

// readRoles reads who gets which temporary keys.
func readRoles(v *value) map[string]*roles.Role {
	all := v.dict()
	if all == nil {
		return nil
	}
	found := make(map[string]*roles.Role, len(all.fields))
	for _, name := range slices.Sorted(maps.Keys(all.fields)) {
		item := &value{v.mistakes, v.path + "[" + strconv.Quote(shorten(name)) + "]", all.fields[name]}
		if !roleName.MatchString(name) {
			item.reject("must be called by up to 64 letters, digits and characters of _+=,.@-")
		}
		if d := item.dict(); d != nil {
			found[name] = readRole(name, d)
		}
	}
	return found
}

func readRole(name string, d *dict) *roles.Role {
	r := &roles.Role{Name: name, Min: roles.DefaultMin, Max: roles.DefaultMax}
	r.Policy = d.take("policy").policy(policy.ParseIdentity)
	readWho(r, d)
	r.Keys = d.take("keys").patterns()
	r.Tags = d.take("tags").patterns()
	external := d.take("external_id")
	if r.ExternalID, _ = external.str(); external != nil && d.fields["keys"] == nil {
		external.reject("needs keys: nobody else says one")
	}
	if d.fields["issuers"] == nil && d.fields["keys"] == nil {
		d.mistakes.add(d.at("issuers"), "is required, or keys: nobody gets the role")
	}
	low, high := d.take("min_duration"), d.take("max_duration")
	if max, ok := high.seconds(time.Second, roles.Longest); ok {
		r.Max = max
	}
	if min, ok := low.seconds(time.Second, roles.Longest); ok {
		r.Min = min
	} else if r.Max < r.Min {
		r.Min = r.Max
	}
	if r.Min > r.Max {
		low.reject("must not be longer than max_duration")
	}
	r.EndWithToken, _ = d.take("end_with_token").boolean()
	readToken(r, d.take("token"))
	d.finish()
	return r
}

// readWho reads which identities get a role. An issuer's name alone is not enough: the
// whole world has an account at some of them.
func readWho(r *roles.Role, d *dict) {
	given := d.take("issuers")
	if given != nil {
		r.Issuers = given.texts()
	}
	r.Audiences = d.take("audiences").patterns()
	r.Subjects = d.take("subjects").patterns()
	if claims := d.take("claims").dict(); claims != nil {
		for _, name := range slices.Sorted(maps.Keys(claims.fields)) {
			item := &value{d.mistakes, claims.path + "[" + strconv.Quote(shorten(name)) + "]", claims.fields[name]}
			r.Claims = append(r.Claims, roles.Claim{Name: name, Patterns: item.patterns()})
		}
	}
	for _, narrows := range []string{"audiences", "subjects", "claims", "end_with_token"} {
		if d.fields[narrows] != nil && given == nil {
			d.mistakes.add(d.at(narrows), "needs issuers: it is about identity tokens")
		}
	}
	if given != nil && d.fields["subjects"] == nil && len(r.Claims) == 0 {
		d.mistakes.add(d.at("subjects"), `is required with issuers, or claims; "*" stands for whomever they know`)
	}
}

// readToken reads as whom the callbacks see the sessions of a role.
func readToken(r *roles.Role, v *value) {
	text := "{role}"
	if v != nil {
		var ok bool
		if text, ok = v.str(); !ok {
			return
		}
	}
	token, err := roles.ParseToken(text)
	if err != nil {
		v.reject("%s", err)
	}
	r.Token = token
}

// patterns returns a pattern, or those of a list, of which there has to be one.
func (v *value) patterns() []policy.Pattern {
	if v == nil {
		return nil
	}
	items := []*value{v}
	if _, isList := v.raw.([]any); isList {
		if items = v.items(); len(items) == 0 {
			v.reject("must not be empty")
		}
	}
	out := make([]policy.Pattern, 0, len(items))
	for _, item := range items {
		text, ok := item.str()
		if !ok {
			continue
		}
		p, err := policy.ParsePattern(text)
		if err != nil {
			item.reject("%s", err)
		}
		out = append(out, p)
	}
	return out
}

// texts returns the strings of a list, of which there has to be one.
func (v *value) texts() []string {
	items := v.items()
	if v != nil && items != nil && len(items) == 0 {
		v.reject("must not be empty")
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		if text, ok := item.str(); ok {
			out = append(out, text)
		}
	}
	return out
}
