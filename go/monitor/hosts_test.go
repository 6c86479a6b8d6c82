package monitor

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestOnlyHostsThatWereToldAreAnswered(t *testing.T) {
	told := []string{"Metrics.internal", "203.0.113.7", "2001:db8::7"}
	for _, c := range []struct {
		bound        string
		known, wrong string
	}{
		{
			"127.0.0.1", "127.0.0.1 127.0.0.1:9090 localhost LOCALHOST:9 localhost. [::1] [::1]:9090 127.0.0.2 metrics.internal METRICS.internal.:80 203.0.113.7:9 [2001:db8::7]",
			"evil.example evil.example:9090 localhost.evil.example metrics.internal.evil.example x.metrics.internal 10.0.0.1 0.0.0.0 0 127.1 2130706433 0x7f000001 [::2] ::ffff:10.0.0.1 localhost.. . : [ [] [localhost",
		},
		{"10.0.0.5", "10.0.0.5 10.0.0.5:9090 [::ffff:10.0.0.5] 127.0.0.1 localhost", "10.0.0.6 evil.example 0.0.0.0"},
		{"fe80::1%eth0", "[fe80::1] [fe80::1%25eth0]:9090 [::1]", "[fe80::2] evil.example"},
		{"0.0.0.0", "10.0.0.6 192.0.2.1:9090 [2001:db8::1]:9090 127.0.0.1 localhost metrics.internal", "evil.example evil.example:9090 10.0.0.6.evil.example 10.0.0.6. 0x0a000006"},
		{"::", "10.0.0.6 [fe80::1%25eth0] [2001:db8::1]", "evil.example osp.default.svc:9090"},
	} {
		ip, zone, _ := strings.Cut(c.bound, "%")
		h := newHosts(&net.TCPAddr{IP: net.ParseIP(ip), Port: 9090, Zone: zone}, told)
		for host := range strings.FieldsSeq(c.known) {
			if !h.know(host) {
				t.Errorf("bound to %s: %s is not known", c.bound, host)
			}
		}
		for host := range strings.FieldsSeq(c.wrong) {
			if h.know(host) {
				t.Errorf("bound to %s: %s is known", c.bound, host)
			}
		}
		if !h.know("") {
			t.Error("a probe without a host is not answered")
		}
	}
}

func TestANameThatNobodyToldLeadsNowhere(t *testing.T) {
	_, url, _ := started(t)
	for _, path := range []string{"/", "/metrics", "/status.json", "/healthz", "/readyz", "/other"} {
		for host, want := range map[string]bool{"evil.example": false, "localhost:1": true, "told.example": true} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if refused := resp.StatusCode == http.StatusMisdirectedRequest; refused == want {
				t.Errorf("%s of %s: got %d", path, host, resp.StatusCode)
			}
		}
	}
}
