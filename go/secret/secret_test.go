package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNoFormatShowsTheSecret(t *testing.T) {
	v := New("hunter2")
	holder := struct{ Inner Value }{v}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v, "holder", holder)
	asJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		fmt.Sprint(v), fmt.Sprintf("%v %+v %#v %s %q", v, holder, holder, v, v), string(asJSON), log.String(),
	} {
		if strings.Contains(out, "hunter2") {
			t.Errorf("the secret shows in %q", out)
		}
	}
}

func TestEqual(t *testing.T) {
	if v := New("a"); !v.Equal("a") || v.Equal("b") || v.Equal("") || v.Equal("aa") {
		t.Error("Equal is wrong")
	}
}
