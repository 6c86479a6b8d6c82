package callbacks

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// callback is a field of Set, whatever the types of its question and its answer.
type callback struct {
	value    reflect.Value
	question reflect.Value // the zero one
}

// ask asks the callback and returns what it answered.
func (c callback) ask(t *testing.T, question reflect.Value) (any, error) {
	results := c.value.Call([]reflect.Value{reflect.ValueOf(t.Context()), question})
	err, _ := results[1].Interface().(error)
	return results[0].Interface(), err
}

// filled is its question with a word in each field that takes one.
func (c callback) filled() reflect.Value {
	question := reflect.New(reflect.Indirect(c.question).Type())
	for i := range question.Elem().NumField() {
		if field := question.Elem().Field(i); field.Kind() == reflect.String {
			field.SetString("x")
		}
	}
	if c.question.Kind() == reflect.Pointer {
		return question
	}
	return question.Elem()
}

// callbacksOf are the callbacks that a Set has, by the names of its fields.
func callbacksOf(s Set) map[string]callback {
	found := make(map[string]callback)
	fields := reflect.ValueOf(s)
	for i := range fields.NumField() {
		field := fields.Field(i)
		if field.Kind() != reflect.Func || field.IsNil() {
			continue
		}
		question := reflect.Zero(field.Type().In(1))
		if question.Kind() == reflect.Pointer {
			question = reflect.New(question.Type().Elem())
		}
		found[fields.Type().Field(i).Name] = callback{field, question}
	}
	return found
}

func TestEveryCallbackHasOneRow(t *testing.T) {
	var fields []string
	for i := range reflect.TypeFor[Set]().NumField() {
		if field := reflect.TypeFor[Set]().Field(i); field.Type.Kind() == reflect.Func {
			fields = append(fields, field.Name)
		}
	}
	var connected []string
	for _, row := range table {
		one := callbacksOf(Connect([]string{row.name}, nil))
		if len(one) != 1 {
			t.Errorf("%s sets %d callbacks", row.name, len(one))
		}
		for field := range one {
			if !strings.EqualFold(field, strings.ReplaceAll(row.name, "_", "")) {
				t.Errorf("%s sets %s", row.name, field)
			}
			connected = append(connected, field)
		}
	}
	if slices.Sort(fields); !slices.Equal(fields, slices.Sorted(slices.Values(connected))) {
		t.Errorf("the callbacks are %v, those with rows %v", fields, connected)
	}
	if len(callbacksOf(Connect(nil, nil))) != 0 {
		t.Error("a callback that the owner did not give")
	}
}

func TestAnInterceptorStandsBeforeEachCallback(t *testing.T) {
	stopped := errors.New("stopped")
	var asked []string
	s := answering("{}").With(func(_ context.Context, call Call) error {
		asked = append(asked, call.Name())
		return stopped
	})
	for field, callback := range callbacksOf(s) {
		if answer, err := callback.ask(t, callback.question); err != stopped || !reflect.ValueOf(answer).IsZero() {
			t.Errorf("%s: got %v, %v", field, answer, err)
		}
	}
	if slices.Sort(asked); !slices.Equal(asked, slices.Sorted(slices.Values(Names()))) {
		t.Errorf("asked: %v", asked)
	}
}

func TestTheFirstInterceptorIsTheOutermost(t *testing.T) {
	var steps []string
	noting := func(name string) Interceptor {
		return func(ctx context.Context, call Call) error {
			steps = append(steps, name)
			defer func() { steps = append(steps, name+" again") }()
			return call.Do(ctx)
		}
	}
	s := answering(`{"allow": true}`).With(noting("limits")).With(noting("log"), noting("clock"))
	for range 2 {
		if d, err := s.Validator(t.Context(), &Request{}); err != nil || !d.Allow {
			t.Errorf("got %v, %v", d, err)
		}
	}
	once := []string{"log", "clock", "limits", "limits again", "clock again", "log again"}
	if want := slices.Repeat(once, 2); !slices.Equal(steps, want) {
		t.Errorf("got %v, want %v", steps, want)
	}
}

// members are those of a JSON object; true: it must be there.
type members map[string]bool

func (m members) required() members {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(_ string, required bool) bool { return !required })
	return out
}

// contract is what include/osp.h says of a callback.
type contract struct {
	number           int32
	question, answer members
}

// contracts are the rows of enum osp_question, by the names of the callbacks.
func contracts(t *testing.T) map[string]contract {
	header, err := os.ReadFile("../../include/osp.h")
	if err != nil {
		t.Fatal(err)
	}
	_, rows, _ := strings.Cut(string(header), "enum osp_question {")
	rows, _, _ = strings.Cut(rows, "};")
	found := make(map[string]contract)
	for _, row := range regexp.MustCompile(`(?s)OSP_ASK_(\w+) = (\d+),?\s*/\*(.*?)\*/`).FindAllStringSubmatch(rows, -1) {
		number, _ := strconv.Atoi(row[2])
		question, answer, _ := strings.Cut(row[3], "->")
		found[strings.ToLower(row[1])] = contract{int32(number), membersIn(question), membersIn(answer)}
	}
	return found
}

func membersIn(text string) members {
	found := make(members)
	for _, name := range regexp.MustCompile(`"(\w+)"(\??):`).FindAllStringSubmatch(text, -1) {
		found[name[1]] = name[2] == ""
	}
	return found
}

func TestTheRowsAreThoseOfTheHeader(t *testing.T) {
	want := contracts(t)
	if len(want) != len(table) {
		t.Errorf("%d rows, %d in the header", len(table), len(want))
	}
	for _, row := range table {
		c, ok := want[row.name]
		if !ok || c.number != row.number {
			t.Errorf("%s is %d here and %d in the header", row.name, row.number, c.number)
		}
		var number int32
		var asked members
		s := Connect([]string{row.name}, func(_ context.Context, n int32, question []byte) ([]byte, error) {
			var object map[string]any
			if err := json.Unmarshal(question, &object); err != nil {
				t.Errorf("%s: %v", row.name, err)
			}
			number, asked = n, make(members)
			for name := range object {
				asked[name] = true
			}
			return nil, errors.New("no answer")
		})
		for _, callback := range callbacksOf(s) {
			_, _ = callback.ask(t, callback.question)
			if number != c.number || !maps.Equal(asked, c.question.required()) {
				t.Errorf("%s asks number %d with %v, the header says %d and %v", row.name, number, asked, c.number, c.question)
			}
			_, _ = callback.ask(t, callback.filled())
			if !slices.Equal(sorted(asked), sorted(c.question)) {
				t.Errorf("%s asks with %v, the header says %v", row.name, asked, c.question)
			}
		}
	}
}

func sorted(m members) []string { return slices.Sorted(maps.Keys(m)) }

func TestAnswersHaveTheMembersOfTheHeader(t *testing.T) {
	// One value for each member of any answer.
	values := map[string]any{
		"allow": true, "once": true, "limits": "bulk", "reason": "r", "ttl": 1,
		"secret_key": "s", "session_token": "t", "expiration": 1, "unknown": false,
		"credentials": "c",
		"assumed":     true, "name": "n", "token": "t", "policy": "{}", "duration": 1,
		"claims": map[string][]string{"c": {"v"}}, "tags": map[string]string{"k": "v"},
	}
	for name, c := range contracts(t) {
		answer := make(map[string]any)
		for member := range c.answer {
			value, ok := values[member]
			if !ok {
				t.Fatalf("this test has no value for %s, which %s may answer", member, name)
			}
			answer[member] = value
		}
		if err := understood(t, name, answer); err != nil {
			t.Errorf("%s: what the header says is not understood: %v", name, answer)
		}
		for member, value := range values {
			if _, ok := c.answer[member]; ok {
				continue
			}
			with := maps.Clone(answer)
			with[member] = value
			if understood(t, name, with) == nil {
				t.Errorf("%s: the header has no %s, which is understood", name, member)
			}
		}
	}
}

// understood asks the callback of an owner with this answer.
func understood(t *testing.T, name string, answer map[string]any) error {
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.New("there is no such callback")
	for _, callback := range callbacksOf(Connect([]string{name}, func(context.Context, int32, []byte) ([]byte, error) { return text, nil })) {
		_, err = callback.ask(t, callback.question)
	}
	return err
}
