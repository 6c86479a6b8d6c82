package sigv4

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"osp/go/s3err"
)

// policy is the document that a POST form is signed with: what its fields and
// its file must be.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
type policy struct {
	encoded string // base64 as sent, which is what is signed
	fields  map[string]string

	// what it says, once it has been read
	expiration  time.Time
	conditions  []condition
	limited     bool
	least, most int64 // bytes of the file, if limited
}

// condition is one test of a field. Name is in lower case.
type condition struct {
	prefix      bool // starts-with, otherwise eq
	name, value string
}

func refusePolicy(detail string) *s3err.Error {
	return s3err.InvalidPolicyDocument.Msg("Invalid Policy: " + detail)
}

func againstPolicy(detail string) *s3err.Error {
	return s3err.AccessDenied.Msg("Invalid according to Policy: " + detail)
}

// read parses a policy. That is expensive, so no policy is read before its
// signature is verified. A nil policy says nothing.
func (p *policy) read() error {
	if p == nil {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(p.encoded)
	if err != nil {
		return refusePolicy("invalid Base64 encoding.")
	}
	var document map[string]json.RawMessage
	if err := json.Unmarshal(raw, &document); err != nil {
		return refusePolicy("Invalid JSON.")
	}
	for name := range document {
		if name != "expiration" && name != "conditions" {
			return refusePolicy("Unexpected: " + quote(name))
		}
	}
	p.most = math.MaxInt64
	if p.expiration, err = parseExpiration(document["expiration"]); err != nil {
		return err
	}
	return p.parseConditions(document["conditions"])
}

func parseExpiration(raw json.RawMessage) (time.Time, error) {
	if raw == nil {
		return time.Time{}, refusePolicy("Policy missing expiration.")
	}
	text, ok := stringIn(raw)
	t, err := time.Parse(time.RFC3339, text)
	if !ok || err != nil {
		return time.Time{}, refusePolicy("Invalid 'expiration' value.")
	}
	return t, nil
}

func (p *policy) parseConditions(raw json.RawMessage) error {
	if raw == nil {
		return refusePolicy("Policy missing conditions.")
	}
	var conditions []json.RawMessage
	if err := json.Unmarshal(raw, &conditions); err != nil || conditions == nil {
		return refusePolicy("Invalid 'conditions' value: must be a List.")
	}
	for _, c := range conditions {
		var err error
		switch c[0] {
		case '{':
			err = p.parseProperty(c)
		case '[':
			err = p.parseTest(c)
		default:
			err = refusePolicy("Invalid condition test: must be a List or Object.")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseProperty reads {"name": "value"}.
func (p *policy) parseProperty(raw json.RawMessage) error {
	var property map[string]json.RawMessage
	if err := json.Unmarshal(raw, &property); err != nil || len(property) != 1 {
		return refusePolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
	}
	for name, raw := range property {
		value, ok := stringIn(raw)
		if !ok {
			return refusePolicy("Invalid Simple-Condition: value must be a string.")
		}
		p.conditions = append(p.conditions, condition{name: strings.ToLower(name), value: value})
	}
	return nil
}

// parseTest reads ["eq", "$name", "value"], starts-with, content-length-range.
func (p *policy) parseTest(raw json.RawMessage) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil || len(parts) == 0 {
		return refusePolicy("Invalid Condition: missing operation identifier.")
	}
	operation, _ := stringIn(parts[0])
	switch operation {
	case "eq", "starts-with", "content-length-range":
	default:
		return refusePolicy("Invalid Condition: unknown operation " + quote(operation) + ".")
	}
	if len(parts) != 3 {
		return refusePolicy("Invalid " + operation + ": wrong number of arguments.")
	}
	if operation == "content-length-range" {
		return p.narrow(parts[1], parts[2])
	}
	name, ok1 := stringIn(parts[1])
	value, ok2 := stringIn(parts[2])
	name, dollar := strings.CutPrefix(name, "$")
	if !ok1 || !ok2 || !dollar || name == "" {
		return refusePolicy("Invalid " + operation + ": a field name after '$' and a string are expected.")
	}
	p.conditions = append(p.conditions, condition{
		prefix: operation == "starts-with", name: strings.ToLower(name), value: value,
	})
	return nil
}

// narrow satisfies every range that the policy gives.
func (p *policy) narrow(least, most json.RawMessage) error {
	low, ok1 := sizeIn(least)
	high, ok2 := sizeIn(most)
	if !ok1 || !ok2 || low > high {
		return refusePolicy("Invalid content-length-range: two sizes in ascending order are expected.")
	}
	p.limited = true
	p.least, p.most = max(p.least, low), min(p.most, high)
	return nil
}

func stringIn(raw json.RawMessage) (string, bool) {
	var s *string
	err := json.Unmarshal(raw, &s)
	if err != nil || s == nil {
		return "", false
	}
	return *s, true
}

// sizeIn accepts numbers and, as S3 does, numbers in quotes.
func sizeIn(raw json.RawMessage) (int64, bool) {
	text, quoted := stringIn(raw)
	if !quoted {
		text = string(raw)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0
}

// check compares the fields of the form with the policy: every condition is
// met, and every field is covered by one. A nil policy requires nothing.
func (p *policy) check() error {
	if p == nil {
		return nil
	}
	covered := make(map[string]bool, len(p.conditions))
	for _, c := range p.conditions {
		if !c.met(p.fields) {
			return againstPolicy("Policy Condition failed: " + c.String())
		}
		covered[c.name] = true
	}
	var extra []string
	for name := range p.fields {
		if !covered[name] && !isIgnoredField(name) {
			extra = append(extra, quote(name))
		}
	}
	if extra != nil {
		slices.Sort(extra)
		return againstPolicy("Extra input fields: " + strings.Join(extra, ", "))
	}
	return nil
}

// met fails for a field that the form lacks, even if the value is empty.
func (c condition) met(fields map[string]string) bool {
	value, ok := fields[c.name]
	switch {
	case !ok:
		return false
	case !c.prefix:
		return value == c.value
	case c.name != "content-type":
		return strings.HasPrefix(value, c.value)
	}
	// A list of types, as AWS documents it: each has to begin like this.
	for one := range strings.SplitSeq(value, ",") {
		if !strings.HasPrefix(strings.TrimSpace(one), c.value) {
			return false
		}
	}
	return true
}

func (c condition) String() string {
	operation := "eq"
	if c.prefix {
		operation = "starts-with"
	}
	return "[" + strconv.Quote(operation) + ", " + quote("$"+c.name) + ", " + quote(c.value) + "]"
}
