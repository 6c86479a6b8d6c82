package access

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
)

func TestADecisionSaysWhereItComesFrom(t *testing.T) {
	for name, c := range map[string]struct {
		validator callbacks.Decision
		ttl       time.Duration
		sources   [2]Source // of two questions that are the same
	}{
		"an allowance that is kept":     {callbacks.Decision{Allow: true}, time.Hour, [2]Source{Asked, Remembered}},
		"a refusal that is kept":        {callbacks.Decision{Reason: "why"}, time.Hour, [2]Source{Asked, Remembered}},
		"an allowance that is not kept": {callbacks.Decision{Allow: true}, 0, [2]Source{Asked, Asked}},
	} {
		o := &owner{decide: always(c.validator)}
		checker := New(o.callbacks(true), Options{Capacity: 1})
		for i, source := range c.sources {
			d := checker.Check(t.Context(), about(full(), c.ttl))
			if d.Source != source || d.Allowed != c.validator.Allow || d.Reason != c.validator.Reason {
				t.Errorf("%s, question %d: %+v", name, i, d)
			}
		}
	}
	if d := New(callbacks.Set{}, Options{Capacity: 1}).Check(t.Context(), about(full(), time.Hour)); d.Source != Signature || !d.Allowed {
		t.Errorf("without a validator: %+v", d)
	}
}

func TestWhatWasNotDecidedIsARefusalOfNoSource(t *testing.T) {
	if err := (Decision{}).Refusal(); !errors.Is(err, s3err.AccessDenied) {
		t.Errorf("the zero decision: %v", err)
	}
	o := &owner{decide: func(*callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: true}, callbacks.ErrOverloaded
	}}
	d := New(o.callbacks(true), Options{Capacity: 1}).Check(t.Context(), about(full(), time.Hour))
	if d.Allowed || d.Source != 0 || !errors.Is(d.Refusal(), s3err.SlowDown) {
		t.Errorf("%+v: %v", d, d.Refusal())
	}
}

// What is remembered can be written down and read by another process.
func TestWhatIsRememberedIsAPlainValue(t *testing.T) {
	kind := reflect.TypeFor[remembered]()
	for _, f := range reflect.VisibleFields(kind) {
		inner := f.Type
		if inner.Kind() == reflect.Array {
			inner = inner.Elem()
		}
		switch inner.Kind() {
		case reflect.Bool, reflect.String, reflect.Uint8, reflect.Int64:
		default:
			t.Errorf("%s is a %s", f.Name, f.Type)
		}
	}
}
