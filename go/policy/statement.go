package policy

import (
	"crypto/sha256"
	"math"
	"slices"
	"strings"
	"unsafe"

	"osp/go/s3op"
)

const (
	version       = "2012-10-17"
	maxStatements = 10_000
	longestText   = 2048   // of a pattern, a value or a Sid
	maxEffort     = 80_000 // of all patterns together: a fraction of a second for the longest key

	// Whoever gets a session may have written a policy that comes with it, and has it
	// compared for each key of a list to delete: a fraction of a millisecond for the
	// longest one.
	maxSessionPatterns = 128
	maxSessionEffort   = 128
	maxSessionSize     = 48 << 10 // in bytes of memory, several times that of a long one that is useful
)

// unbounded is what the owner's policies may have.
const unbounded = math.MaxInt

// Parse reads a policy ("IAM JSON policy element reference"), whose statements say whom
// they are about. The error is a *MistakesError with all the mistakes.
func Parse(document []byte) (*Policy, error) {
	return parse(document, &reader{patterns: unbounded, effort: maxEffort, most: unbounded})
}

// ParseIdentity reads a policy that is attached to a role, which all of its statements
// are about: none of them names a principal ("Identity-based policies"). The error is
// that of Parse.
func ParseIdentity(document []byte) (*Policy, error) {
	return parse(document, &reader{patterns: unbounded, effort: maxEffort, most: unbounded, attached: true})
}

// ParseSession reads a policy that is attached to a session, which may have few patterns
// that take little time to compare and little memory ("Session policies"). The error is that of Parse.
func ParseSession(document []byte) (*Policy, error) {
	return parse(document, &reader{patterns: maxSessionPatterns, effort: maxSessionEffort, most: maxSessionSize, attached: true})
}

func parse(document []byte, r *reader) (*Policy, error) {
	r.sids, r.actions = map[string]bool{}, map[string]actionSet{}
	var statements []*Statement
	if root := readDocument(document, &r.MistakesError); root != nil {
		statements = r.readPolicy(root)
		r.size += 2*len(document) + len(statements)*int(unsafe.Sizeof(Statement{}))
		if r.size > r.most {
			r.add(root, "has patterns of too many pieces")
		}
	}
	if len(r.Mistakes) > 0 {
		return nil, &r.MistakesError
	}
	var denies, allows []*Statement
	noted := 0
	for _, s := range statements {
		if noted < mostNoted && len(s.resources) > 1 && len(s.conditions) > 0 {
			noted++
			s.note = noted
		}
		if s.denies {
			denies = append(denies, s)
		} else {
			allows = append(allows, s)
		}
	}
	return &Policy{
		denies: newIndex(denies), allows: newIndex(allows), digest: sha256.Sum256(document),
		closer: slices.ContainsFunc(statements, (*Statement).looksCloser),
	}, nil
}

// reader collects the mistakes of a document.
type reader struct {
	MistakesError
	sids     map[string]bool
	attached bool // see ParseIdentity
	patterns int  // that there may still be, or what takes as long to compare
	effort   int  // that they may still cost
	size     int  // about how many bytes of memory the policy takes: until it is read, its patterns
	most     int  // that it may take

	actions map[string]actionSet // by the patterns that were read
}

// spend counts what a pattern costs that is kept, and takes as long to compare as so many.
func (r *reader) spend(n *node, p pattern, comparisons int) {
	r.size += p.size()
	r.compare(n, p, comparisons)
}

// compare counts what it costs to compare a pattern.
func (r *reader) compare(n *node, p pattern, comparisons int) {
	few := r.patterns >= 0
	if r.patterns -= comparisons; few && r.patterns < 0 {
		r.add(n, "is one pattern or variable too many")
	}
	before := r.effort
	if r.effort -= p.effort(); before >= 0 && r.effort < 0 {
		r.add(n, "is one too many of the patterns with much after a star, which take long to compare")
	}
}

// object reports whether a value is an object with no other members than these.
func (r *reader) object(n *node, members ...string) bool {
	if n.kind != '{' {
		r.add(n, "must be an object")
		return false
	}
	known := map[string]bool{}
	for _, name := range members {
		known[name] = true
	}
	for i, name := range n.names {
		if !known[name] {
			r.add(n.members[i], "is not understood; there are %s", strings.Join(members, ", "))
		}
	}
	return true
}

// need returns a member that has to be there, or nil after reporting the mistake.
func (r *reader) need(n *node, name string) *node {
	m := n.member(name)
	if m == nil {
		r.add(&node{path: join(n.path, name), line: n.line}, "is required")
	}
	return m
}

// texts are the texts of a value that is one, or a list of some.
func (r *reader) texts(n *node) []*node {
	var out []*node
	for _, item := range n.items() {
		switch {
		case item.kind != isString:
			r.add(item, "must be a string")
		case item.text == "" || len(item.text) > longestText:
			r.add(item, "must have 1 to %d bytes", longestText)
		default:
			out = append(out, item)
		}
	}
	if len(n.items()) == 0 {
		r.add(n, "must not be empty")
	}
	return out
}

func (r *reader) readPolicy(root *node) []*Statement {
	if !r.object(root, "Version", "Id", "Statement") {
		return nil
	}
	if v := r.need(root, "Version"); v != nil && (v.kind != isString || v.text != version) {
		r.add(v, "must be %q", version)
	}
	if id := root.member("Id"); id != nil && id.kind != isString {
		r.add(id, "must be a string")
	}
	list := r.need(root, "Statement")
	if list == nil {
		return nil
	}
	if len(list.items()) > maxStatements {
		r.add(list, "must have at most %d statements", maxStatements)
		return nil
	}
	var statements []*Statement
	for i, n := range list.items() {
		if s := r.readStatement(n); s != nil {
			s.Index = i
			statements = append(statements, s)
		}
	}
	return statements
}

// readStatement returns nil for a statement that is about no action of S3, of which it
// reads the syntax, and after a mistake.
func (r *reader) readStatement(n *node) *Statement {
	if !r.object(n, "Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition") {
		return nil
	}
	s := &Statement{Sid: r.readSid(n.member("Sid")), Line: n.line}
	if effect := r.need(n, "Effect"); effect != nil {
		if effect.kind != isString || effect.text != "Allow" && effect.text != "Deny" {
			r.add(effect, `must be "Allow" or "Deny"`)
		}
		s.denies = effect.text == "Deny"
	}
	r.readPrincipal(n, s)
	actions, inverted := r.either(n, "Action", "NotAction")
	if actions == nil {
		return nil
	}
	elsewhere := r.readActions(actions, inverted, s)
	resources, inverted := r.either(n, "Resource", "NotResource")
	if resources == nil {
		return nil
	}
	if elsewhere { // its resources and keys are another service's
		r.texts(resources)
		if c := n.member("Condition"); c != nil {
			r.readForm(c)
		}
		return nil
	}
	s.notResources = inverted
	for _, text := range r.texts(resources) {
		r.readResource(text, s)
	}
	if c := n.member("Condition"); c != nil {
		s.conditions = r.readConditions(c)
	}
	return s
}

// either returns the one of two members that is given.
func (r *reader) either(n *node, name, opposite string) (found *node, inverted bool) {
	found, other := n.member(name), n.member(opposite)
	switch {
	case found != nil && other != nil:
		r.add(other, "contradicts %s", name)
		return nil, false
	case found == nil && other == nil:
		return r.need(n, name), false
	case found == nil:
		return other, true
	}
	return found, false
}

// readSid reads the name of a statement, which is that of no other.
func (r *reader) readSid(n *node) string {
	if n == nil {
		return ""
	}
	if n.kind != isString || len(n.text) > 100 || strings.ContainsFunc(n.text, func(c rune) bool { return c < ' ' || c > '~' }) {
		r.add(n, "must be a string of at most 100 printable ASCII characters")
		return ""
	}
	if r.sids[n.text] && n.text != "" {
		r.add(n, "is the Sid of another statement, too")
	}
	r.sids[n.text] = true
	return n.text
}

// readActions reads names of actions, in any case, with wildcards. It reports
// whether all of them are about other services; the only one whose actions are
// known to be none of S3's is KMS, whose keys encrypt objects.
func (r *reader) readActions(n *node, inverted bool, s *Statement) (elsewhere bool) {
	elsewhere = !inverted
	for _, item := range r.texts(n) {
		name := strings.ToLower(item.text)
		if kms, ok := strings.CutPrefix(name, "kms:"); ok && kms != "" && strings.Trim(kms, "abcdefghijklmnopqrstuvwxyz*?") == "" {
			continue
		}
		elsewhere = false
		found := r.actionsOf(item, name)
		if found.empty() && r.patterns >= 0 && r.effort >= 0 {
			r.add(item, "%s", noAction(item.text))
		}
		s.actions.join(&found)
	}
	if inverted {
		for i := range s3op.Actions() {
			s.actions.flip(s3op.Action(i))
		}
	}
	return elsewhere
}

// lowered are the names of the actions, as patterns for them are read.
var lowered = func() (names []string) {
	for _, name := range s3op.Actions() {
		names = append(names, strings.ToLower(name))
	}
	return names
}()

// actionsOf are the actions with names that fit, if there are any.
func (r *reader) actionsOf(n *node, lower string) (found actionSet) {
	if !strings.ContainsAny(lower, "*?$") {
		if i := slices.Index(lowered, lower); i >= 0 {
			found.add(s3op.Action(i))
		}
		return found
	}
	if read, again := r.actions[lower]; again {
		return read
	}
	p, err := parsePattern(lower)
	if err != nil || strings.Contains(lower, "$") {
		return found
	}
	if r.compare(n, p, 1); r.patterns < 0 || r.effort < 0 { // it is compared with each name
		return found
	}
	for i, name := range lowered {
		if p.matches(name, nil, false) {
			found.add(s3op.Action(i))
		}
	}
	r.actions[lower] = found
	return found
}

// noAction says what is wrong with the name of an action. Some write that of an operation.
func noAction(text string) string {
	operation, _ := strings.CutPrefix(text, "s3:")
	needed := s3op.Operation(operation).Actions(nil, false, func(string) bool { return false })
	if len(needed) == 0 {
		return "is no action that anything here needs"
	}
	return "is an operation, which needs the action " + needed[len(needed)-1].String()
}

// readResource reads an ARN of S3 with wildcards and variables, or a star ("Amazon S3
// resources"). Buckets have neither a region nor an account.
func (r *reader) readResource(n *node, s *Statement) {
	rest := n.text
	if rest != "*" {
		parts := strings.SplitN(n.text, ":", 6)
		if len(parts) != 6 || parts[0] != "arn" || !partitions[parts[1]] {
			r.add(n, `must be "*" or an ARN, such as arn:aws:s3:::bucket/prefix/*`)
			return
		}
		if parts[2] == "kms" { // which no question is about
			return
		}
		rest = parts[5]
		if parts[2] != "s3" || strings.Trim(parts[3]+parts[4], "*") != "" || rest == "" || rest[0] == '/' {
			r.add(n, "must be the ARN of a bucket or of objects in one, without region and account: arn:aws:s3:::bucket/prefix/*")
			return
		}
	}
	p, err := parsePattern(rest)
	if err != nil {
		r.add(n, "%s", err)
		return
	}
	r.spend(n, p, 1+p.number(variable))
	s.resources = append(s.resources, p)
}

// partitions are AWS's, which are all the same here.
var partitions = map[string]bool{"aws": true, "aws-cn": true, "aws-us-gov": true, "*": true}
