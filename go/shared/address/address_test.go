package address

import (
	"reflect"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	for text, want := range map[string]Address{
		"valkey://h":                       {Hosts: []string{"h:6379"}},
		"redis://h:7000/3":                 {Hosts: []string{"h:7000"}, Database: 3},
		"rediss://app%40x@h/0":             {Hosts: []string{"h:6379"}, TLS: true, User: "app@x"},
		"valkeys://[::1]:6380":             {Hosts: []string{"[::1]:6380"}, TLS: true},
		"valkey://[::1]":                   {Hosts: []string{"[::1]:6379"}},
		"unix:///run/valkey.sock":          {Socket: "/run/valkey.sock"},
		"valkey+sentinel://a,b:1,c/main":   {Hosts: []string{"a:26379", "b:1", "c:26379"}, Master: "main"},
		"rediss+sentinel://a/main":         {Hosts: []string{"a:26379"}, Master: "main", TLS: true},
		"valkey+cluster://a,b":             {Hosts: []string{"a:6379", "b:6379"}, Cluster: true},
		"valkey+cluster://user@10.0.0.1/0": {Hosts: []string{"10.0.0.1:6379"}, Cluster: true, User: "user"},
	} {
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
}

func TestWhatIsNoAddressIsNotQuoted(t *testing.T) {
	for text, want := range map[string]error{
		"": errScheme, "h:6379": errScheme, "http://h": errScheme, "valkey+sentry://h": errScheme, "valkey+://h": errScheme,
		"valkey://u:pass@h": errPassword, "valkey://:pass@h": errPassword, "valkey://%zz@h": errPassword,
		"valkey://": errHost, "valkey://a,b": errHost, "valkey://h:0": errHost, "valkey://h:x": errHost, "valkey://::1": errHost,
		"valkey+cluster://a,": errHost, "valkey://a b": errHost, "valkey://h:70000": errHost,
		"valkey://h/x": errDatabase, "valkey://h/1/2": errDatabase, "valkey+cluster://h/1": errDatabase, "valkey://h/-1": errDatabase,
		"valkey+sentinel://h": errMaster, "valkey+sentinel://h/a/b": errMaster,
		"valkey://h?db=1": errQuery, "valkey://h#x": errQuery,
		"unix://run/x": errSocket,
	} {
		a, err := Parse(text)
		if err != want {
			t.Errorf("%q: got %+v, %v", text, a, err)
		}
		if err != nil && strings.Contains(err.Error(), "pass@") {
			t.Errorf("%q: its error quotes it", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("valkey+sentinel://u@a,b:1,[::1]/main")
	f.Add("unix:///x")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text)
		if err != nil {
			return
		}
		if (a.Socket == "") == (len(a.Hosts) == 0) || a.Master != "" && a.Cluster {
			t.Errorf("%q: got %+v", text, a)
		}
	})
}
