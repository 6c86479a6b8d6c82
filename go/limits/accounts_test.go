package limits

import (
	"strconv"
	"testing"
)

func TestManyAddressesDisplaceNoTokensAccount(t *testing.T) {
	w := newWorld()
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: 1}}, Address: perSecond(1, 1)}
	if _, r := w.request(rules, alice, ""); r != nil {
		t.Fatal(r)
	}
	for i := range 2 * mostAccounts {
		if _, r := w.request(rules, Subject{Address: strconv.Itoa(i), Entry: "data"}, ""); r != nil {
			t.Fatal(r)
		}
	}
	if _, r := w.request(rules, alice, ""); r == nil {
		t.Error("alice began anew")
	}
}

func TestWhoseRequestRunsIsNotForgotten(t *testing.T) {
	w := newWorld()
	rules := &Rules{Address: &Rule{Measures: Measures{Concurrent: 1}}}
	who := func(i int) Subject { return Subject{Address: strconv.Itoa(i)} }
	if _, r := w.request(rules, who(0), ""); r != nil { // which does not end
		t.Fatal(r)
	}
	for i := range 2 * mostAccounts {
		k, r := w.request(rules, who(1+i), "")
		if r != nil {
			t.Fatal(r)
		}
		k.End(0, 0)
	}
	if _, r := w.request(rules, who(0), ""); r == nil {
		t.Error("a second one runs beside the first")
	}
	if n := w.address.Len(); n > mostAccounts {
		t.Errorf("%d accounts", n)
	}
}

// A class is nobody's in common: a stranger has it by his address.
func TestAStrangerUsesUpNoOtherStrangersClass(t *testing.T) {
	w := newWorld()
	rules := &Rules{Token: perSecond(1, 1), Classes: map[string]*Rule{"slow": perSecond(1, 2)}}
	for _, who := range []Subject{{Address: "192.0.2.1"}, {Address: "192.0.2.2"}, {Token: "192.0.2.1"}} {
		for range 2 {
			if _, r := w.request(rules, who, "slow"); r != nil {
				t.Errorf("%+v: %v", who, r)
			}
		}
		if _, r := w.request(rules, who, "slow"); r == nil || r.Rule != "classes.slow" {
			t.Errorf("%+v: %+v", who, r)
		}
	}
	if n := w.address.Len(); n != 2 {
		t.Errorf("%d of them are among the addresses", n)
	}
}

func TestAClassThatThereIsNotTakesNothing(t *testing.T) {
	rules := &Rules{
		TokenAndBucket: &Rule{Measures: Measures{Requests: NewRate(0.001, 1), DayRequests: 1, Concurrent: 1}},
		Classes:        map[string]*Rule{"slow": perSecond(1, 2)},
	}
	w := newWorld()
	for range 3 {
		if _, r := w.request(rules, alice, "other"); r == nil || r.Rule != "unknown" {
			t.Fatalf("%+v", r)
		}
	}
	if _, r := w.request(rules, alice, ""); r != nil {
		t.Error(r)
	}
}
