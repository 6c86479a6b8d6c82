package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"osp/go/policy"
	"osp/go/session"
)

// ParseIssuance reads what a temporary key is to say, for the owner who hands it out: a
// JSON object with the members token and ttl (seconds), and perhaps name, policy (as in a
// configuration, but without principals) and claims (texts, or lists of texts, by name).
// The session expires a ttl after now. Its error is that of Parse.
func ParseIssuance(data []byte, now time.Time) (session.Session, error) {
	mistakes := &MistakesError{}
	top := decode(data, mistakes)
	if top == nil {
		return session.Session{}, mistakes
	}
	var s session.Session
	s.Token, _ = top.need("token").str()
	s.Name, _ = top.take("name").str()
	ttl, _ := top.need("ttl").seconds(time.Second, session.Longest)
	s.Expires = now.Add(ttl)
	if document := readAttached(top.take("policy")); document != nil {
		s.Policies = []string{compact(document)}
	}
	s.Claims = readClaims(top.take("claims").dict())
	top.finish()
	if len(mistakes.Mistakes) > 0 {
		return session.Session{}, mistakes
	}
	return s, nil
}

// readAttached reads a policy that is about who has it, and returns its JSON.
func readAttached(v *value) []byte {
	if v == nil {
		return nil
	}
	_, isFile := v.raw.(string)
	document := v.document(isFile)
	if document == nil {
		return nil
	}
	_, err := policy.ParseSession(document)
	var wrong *policy.MistakesError
	if errors.As(err, &wrong) {
		for _, m := range wrong.Mistakes {
			v.rejectIn(m, isFile)
		}
		return nil
	}
	return document
}

// compact is JSON without its spaces.
func compact(document []byte) string {
	var short bytes.Buffer
	if err := json.Compact(&short, document); err != nil {
		panic(err) // it was read before
	}
	return short.String()
}

// readClaims reads texts by name.
func readClaims(claims *dict) map[string][]string {
	if claims == nil {
		return nil
	}
	read := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(claims.fields)) {
		v := claims.take(name)
		if v == nil {
			continue
		}
		items := []*value{v}
		if _, several := v.raw.([]any); several {
			items = v.items()
		}
		for _, item := range items {
			if text, ok := item.str(); ok {
				read[name] = append(read[name], text)
			}
		}
	}
	return read
}

// RequireKeyring reports a configuration without a keyring as a mistake.
func (c *Config) RequireKeyring() error {
	if !c.Keyring.Empty() {
		return nil
	}
	mistakes := &MistakesError{}
	mistakes.add("shared_keys", "is required for this: without it temporary keys are good for the process alone that has issued them")
	return mistakes
}
