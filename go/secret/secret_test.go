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
	hidden Value
	inner  struct{ deep *Value }
	many   map[Value]Value
}

func TestNoFormatShowsTheSecret(t *testing.T) {
	const content = "hunter2"
	v := New(content)
	held := holder{v, v, struct{ deep *Value }{&v}, map[Value]Value{v: v}}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v, "held", held)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v, "held", held)
	asJSON, err := json.Marshal(held.Shown)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{fmt.Sprint(v), fmt.Sprintln(&held), string(asJSON), log.String()}
	for verb := rune('!'); verb <= '~'; verb++ {
		for _, flags := range []string{"", "+", "#", "-9.9", "0"} {
			for _, what := range []any{v, &v, held, &held, []Value{v}, []any{held}} {
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
	if !a.Equal("a") || a.Equal("b") || a.Equal("") || a.Equal("aa") || !New("").Equal("") {
		t.Error("Equal is wrong")
	}
}
