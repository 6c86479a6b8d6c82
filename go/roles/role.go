package roles

import (
	"crypto/subtle"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"osp/go/identity"
	"osp/go/policy"
)

// Role is what the owner says about a role: who gets it, and what that is. It is
// immutable. Whoever it does not name does not get it.
type Role struct {
	Name string

	Issuers   []string         // whose identity tokens count; empty: nobody's
	Audiences []policy.Pattern // of which one has to fit; empty: the issuer's are enough
	Subjects  []policy.Pattern // likewise; empty: the claims say enough
	Claims    []Claim          // each has to fit

	Keys       []policy.Pattern // access keys of those who may ask for it by a signature
	ExternalID string           // that they have to say; empty: none
	Tags       []policy.Pattern // names of the tags that they may set

	Policy       *policy.Policy // see stores.Set
	Token        Token
	Min, Max     time.Duration // of a session
	EndWithToken bool          // a session ends with the identity token for which it was given
}

// Claim is what a claim has to be like. Those that do fit are passed on.
type Claim struct {
	Name     string // or a JSON pointer to it, which begins with a slash
	Patterns []policy.Pattern
}

// refusal says why somebody does not get a role, for the log.
type refusal string

func (r refusal) Error() string { return string(r) }

// admitIdentity returns the claims that are passed on.
func (r *Role) admitIdentity(i *identity.Identity) (map[string][]string, error) {
	if err := r.admitSubject(i.Issuer, i.Subject); err != nil {
		return nil, err
	}
	switch {
	case len(r.Audiences) > 0 && !slices.ContainsFunc(i.Audiences, func(a string) bool { return anyMatches(r.Audiences, a) }):
		return nil, refusal("the role is for other audiences")
	case len(r.Subjects) == 0 && len(r.Claims) == 0:
		return nil, refusal("the role says nothing about who gets it") // which config refuses
	}
	claims := make(map[string][]string, len(r.Claims))
	for _, claim := range r.Claims {
		fit := slices.DeleteFunc(texts(find(i.Claims, claim.Name)), func(v string) bool { return !anyMatches(claim.Patterns, v) })
		if len(fit) == 0 {
			return nil, refusal("the role is for other values of a claim")
		}
		claims[claim.Name] = fit
	}
	return claims, nil
}

func (r *Role) admitSubject(issuer, subject string) error {
	switch {
	case !slices.Contains(r.Issuers, issuer):
		return refusal("the role is for no identities of this issuer")
	case len(r.Subjects) > 0 && !anyMatches(r.Subjects, subject):
		return refusal("the role is for other subjects")
	}
	return nil
}

// admitCaller looks at who has signed, and at what he has said.
func (r *Role) admitCaller(accessKey, externalID string) error {
	if err := r.admitKey(accessKey); err != nil {
		return err
	}
	if r.ExternalID != "" && subtle.ConstantTimeCompare([]byte(externalID), []byte(r.ExternalID)) == 0 {
		return refusal("the role is for another external id")
	}
	return nil
}

func (r *Role) admitKey(accessKey string) error {
	if accessKey == "" || !anyMatches(r.Keys, accessKey) {
		return refusal("the role is for other access keys")
	}
	return nil
}

// admitTags looks at what a client wants to be called.
func (r *Role) admitTags(tags map[string]string) error {
	for name := range tags {
		if !anyMatches(r.Tags, name) {
			return refusal("the role lets nobody set such a tag")
		}
	}
	return nil
}

func anyMatches(patterns []policy.Pattern, text string) bool {
	return slices.ContainsFunc(patterns, func(p policy.Pattern) bool { return p.Matches(text) })
}

// find returns a claim, nil if there is none.
func find(claims map[string]any, name string) any {
	pointer, isPointer := strings.CutPrefix(name, "/")
	if !isPointer {
		return claims[name]
	}
	var value any = claims
	for part := range strings.SplitSeq(pointer, "/") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[unescape.Replace(part)]
	}
	return value
}

// unescape reads a part of a JSON pointer (RFC 6901).
var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// texts are the values of a claim: itself, or those in its list. What is neither text,
// number nor boolean is none.
func texts(claim any) []string {
	list, isList := claim.([]any)
	if !isList {
		list = []any{claim}
	}
	var out []string
	for _, item := range list {
		switch v := item.(type) {
		case string:
			out = append(out, v)
		case json.Number:
			out = append(out, v.String())
		case bool:
			out = append(out, map[bool]string{true: "true", false: "false"}[v])
		}
	}
	return out
}
