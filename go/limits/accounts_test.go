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
