package config

import (
	"encoding/json"
	"errors"
	"strings"

	"osp/go/policy"
)

// readPolicy reads a policy: a dict, or the path of a file with its JSON, which is
// read each time.
func readPolicy(v *value) *policy.Policy { return v.policy(policy.Parse) }

func (v *value) policy(parse func([]byte) (*policy.Policy, error)) *policy.Policy {
	if v == nil {
		return nil
	}
	_, isFile := v.raw.(string)
	document := v.document(isFile)
	if document == nil {
		return nil
	}
	p, err := parse(document)
	var wrong *policy.MistakesError
	if errors.As(err, &wrong) {
		for _, m := range wrong.Mistakes {
			v.rejectIn(m, isFile)
		}
	}
	return p
}

// document returns the JSON of a policy, or nil after reporting the mistake.
func (v *value) document(isFile bool) []byte {
	if isFile {
		return readFile(v)
	}
	if v.dict() == nil {
		return nil
	}
	document, err := json.Marshal(v.raw)
	if err != nil {
		panic(err) // it was JSON before
	}
	return document
}

// rejectIn reports a mistake within a policy: in a file by its line, in a dict by its path.
func (v *value) rejectIn(m policy.Mistake, isFile bool) {
	switch {
	case isFile:
		v.reject("line %d: %s", m.Line, m)
	case m.Path == "" || strings.HasPrefix(m.Path, "["):
		v.mistakes.add(v.path+m.Path, "%s", m.Message)
	default:
		v.mistakes.add(v.path+"."+m.Path, "%s", m.Message)
	}
}
