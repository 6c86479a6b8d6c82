package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestASocketPathThatCannotBeOneIsAMistake(t *testing.T) {
	for _, c := range []struct{ name, path, want string }{
		{"an abstract name", `"@osp"`, "unix_socket: must be a path: begin it with ./ if its name begins with @"},
		{"a zero byte", `"/run/a\u0000b"`, "unix_socket: must be a path without zero bytes"},
		{"too long for the system", `"/` + strings.Repeat("a", 103) + `"`, "unix_socket: must have at most 103 bytes as an absolute path"},
		{"no text", `7`, "unix_socket: must be a string, got an integer"},
		{"empty", `""`, "unix_socket: must not be empty"},
	} {
		if got := mistakesOf(t, with("unix_socket", c.path)); !reflect.DeepEqual(got, []string{c.want}) {
			t.Errorf("%s: got %q", c.name, got)
		}
	}
	if c := parsed(t, with("http_port", "null", "unix_socket", `"/`+strings.Repeat("a", 102)+`"`)); c.HTTPPort != nil || len(c.Unix) != 103 {
		t.Errorf("got %+v", c)
	}
}

func TestAProxyProtocolNeedsSomebodyWhoSpeaksIt(t *testing.T) {
	want := []string{"proxy_protocol: needs trusted_proxies: nobody else's header is honoured"}
	for _, trusted := range []string{"null", "[]"} {
		if got := mistakesOf(t, with("proxy_protocol", "true", "trusted_proxies", trusted)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q", trusted, got)
		}
	}
	if c := parsed(t, with("proxy_protocol", "true", "trusted_proxies", `["10.0.0.1"]`)); !c.ProxyProtocol {
		t.Error("it is off")
	}
	if c := parsed(t, with("proxy_protocol", "false")); c.ProxyProtocol {
		t.Error("it is on")
	}
}
