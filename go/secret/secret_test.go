package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Reflection reaches the fields of these, but none of their methods.
type holder struct {
	Shown  Value
	Said   Text
	hidden Value
	inner  struct{ deep *Value }
	many   map[Value]Value
	text   Text
	texts  struct{ deep *Text }
	named  map[string]Text
}

func TestNoFormatShowsTheSecret(t *testing.T) {
	const content = "hunter2"
	v := New(content)
	text := v.Text()
	held := holder{v, text, v, struct{ deep *Value }{&v}, map[Value]Value{v: v}, text, struct{ deep *Text }{&text}, map[string]Text{"n": text}}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v, "text", text, "held", held)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v, "text", text, "held", held)
	asJSON, err := json.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{fmt.Sprint(v), fmt.Sprintln(&held), string(asJSON), log.String()}
	for verb := rune('!'); verb <= '~'; verb++ {
		for _, flags := range []string{"", "+", "#", "-9.9", "0"} {
			for _, what := range []any{v, &v, text, &text, held, &held, []Value{v}, []Text{text}, []any{held}} {
				out = append(out, fmt.Sprintf("%"+flags+string(verb), what))
			}
		}
	}
	hidden := []string{content, fmt.Sprintf("%x", content), fmt.Sprintf("%X", content), fmt.Sprintf("%d", []byte(content))}
	for _, text := range out {
		for _, spelling := range hidden {
			if strings.Contains(text, spelling) {
				t.Fatalf("the secret shows in %q", text)
			}
		}
	}
	if got := fmt.Sprintf("%v %s %d %q %x", v, v, v, v, v); got != strings.TrimSpace(strings.Repeat(placeholder+" ", 5)) {
		t.Errorf("got %s", got)
	}
}

func TestValuesAreEqualWhenTheirContentsAre(t *testing.T) {
	a := New(strings.Clone("a"))
	if a != New("a") || a == New("b") || New("") != (Value{}) || a.Reveal() != "a" || (Value{}).Reveal() != "" {
		t.Error("== is wrong")
	}
	if a.Empty() || !New("").Empty() {
		t.Error("Empty is wrong")
	}
}

func TestTextsAreEqualWhenTheirContentsAre(t *testing.T) {
	texts := []string{"", "a", "b", "aa"}
	for i, one := range texts {
		for j, another := range texts {
			x, y := NewText(one), New(strings.Clone(another)).Text()
			if x.Equal(y) != (i == j) || !x.Equal(x) || x.Reveal() != one || y.Reveal() != another || x.Empty() != (one == "") {
				t.Errorf("%q and %q", one, another)
			}
		}
	}
}
