package copier

import (
	"errors"
	"net/http"
	"testing"
)

func TestConditionsHoldAsSThreeDocumentsThem(t *testing.T) {
	modified, _ := http.ParseTime(at)
	for _, c := range []struct {
		name                             string
		match, noneMatch, since, unsince string
		holds                            bool
	}{
		{name: "none at all", holds: true},
		{name: "the ETag", match: `"e"`, holds: true},
		{name: "the ETag without quotes", match: "e", holds: true},
		{name: "one of a list", match: `"x", "e"`, holds: true},
		{name: "any ETag", match: "*", holds: true},
		{name: "another ETag", match: `"x"`},
		{name: "not the ETag", noneMatch: `"e"`},
		{name: "not another ETag", noneMatch: `"x"`, holds: true},
		{name: "no object at all", noneMatch: "*"},
		{name: "changed since", since: early, holds: true},
		{name: "not changed since the very second", since: at},
		{name: "unchanged since the very second", unsince: at, holds: true},
		{name: "changed although it should not", unsince: early},
		{name: "an ETag that matches beats a time that does not", match: `"e"`, unsince: early, holds: true},
		{name: "a time that is right does not mend an ETag", match: `"x"`, unsince: late},
		{name: "an ETag that matches fails beside a time that is right", noneMatch: `"e"`, since: early},
		{name: "both, and one fails", match: `"e"`, since: late},
	} {
		h := http.Header{}
		for name, value := range map[string]string{"If-Match": c.match, "If-None-Match": c.noneMatch, "If-Modified-Since": c.since, "If-Unmodified-Since": c.unsince} {
			if value != "" {
				h.Set(sourcePrefix+name, value)
			}
		}
		read, err := readConditions(h)
		if err != nil {
			t.Fatal(err)
		}
		if err := read.check(`"e"`, modified); (err == nil) != c.holds || err != nil && !errors.Is(err, errPrecondition) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestATimeThatNobodyKnowsMeetsNoCondition(t *testing.T) {
	for _, name := range []string{"If-Modified-Since", "If-Unmodified-Since"} {
		d := &double{t: t, body: "hello", header: http.Header{"Last-Modified": nil}}
		if _, err := d.copy(request(sourcePrefix+name, at)); !errors.Is(err, errPrecondition) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
