package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/config"
)

// once is a rule that admits one request, and no other for as long as a test takes.
var once = settings{"requests": 0.01}

func TestARefusalSaysWhenToComeBack(t *testing.T) {
	for _, method := range []string{"GET", "HEAD"} {
		r := start(t, callbacks.Set{}, settings{"limits": settings{"token": settings{"requests": 0.5}}})
		if got := r.Do(r.Signed(method, "/photos/k", "")); got.StatusCode != 200 {
			t.Fatalf("%s: %d", method, got.StatusCode)
		}
		got := r.Do(r.Signed(method, "/photos/k", ""))
		wait, err := strconv.Atoi(got.Header.Get("X-Amz-Retry-After"))
		if got.StatusCode != 503 || got.Header.Get("Retry-After") != "2" || err != nil || wait < 1000 || wait > 2000 {
			t.Errorf("%s: %d %v", method, got.StatusCode, got.Header)
		}
		if method == "GET" && got.Code() != "SlowDown" {
			t.Errorf("%s", got.Content)
		}
		if log := r.Log.String(); !strings.Contains(log, "limits.token: requests") || strings.Contains(log, "level=WARN") {
			t.Errorf("the log says %s", log)
		}
	}
}

func TestTheValidatorIsNotAskedAboutWhatComesTooSoon(t *testing.T) {
	asked := 0
	may := func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		asked++
		ttl := time.Duration(0)
		return callbacks.Decision{Allow: true, TTL: &ttl}, nil
	}
	for _, scope := range []string{"token", "token_and_bucket", "entry", "all"} {
		asked = 0
		r := start(t, callbacks.Set{Validator: may}, settings{"callbacks": []string{"validator"}, "limits": settings{scope: once}})
		for _, status := range []int{200, 503, 503} {
			if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != status {
				t.Errorf("%s: %d, want %d", scope, got.StatusCode, status)
			}
		}
		if asked != 1 {
			t.Errorf("%s: asked %d times", scope, asked)
		}
	}
}

func TestNobodyTakesOfASharedLimitWithoutASignatureAndARight(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"limits": settings{"token": once, "entry": once, "all": once}, "policy": rules("GetObject photos/k")})
	forged := r.Signed("GET", "/photos/k", "")
	forged.Header.Set("Authorization", forged.Header.Get("Authorization")[:80]+strings.Repeat("0", 64))
	r.Refuses(forged, 400, "AuthorizationHeaderMalformed")
	wrong := r.Signed("GET", "/photos/k", "")
	wrong.URL.Path = "/photos/l" // which is not what was signed
	r.Refuses(wrong, 403, "SignatureDoesNotMatch")
	if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != 200 {
		t.Errorf("%d: somebody else has used it up", got.StatusCode)
	}

	r = start(t, callbacks.Set{}, settings{"limits": settings{"entry": once, "all": once}, "policy": rules("GetObject photos/k")})
	r.Refuses(r.Signed("GET", "/photos/l", ""), 403, "AccessDenied")
	if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != 200 {
		t.Errorf("%d: a client without rights has used it up", got.StatusCode)
	}
}

func TestWhoeverMayDoNothingTakesNothingOfWhatOthersShare(t *testing.T) {
	preflight := func(r *rig) *http.Request {
		req := r.Request("OPTIONS", "/photos/k", "")
		req.Header.Set("Origin", "https://app.example")
		req.Header.Set("Access-Control-Request-Method", "GET")
		return req
	}
	for name, request := range map[string]func(r *rig) *http.Request{
		"a list of buckets": func(r *rig) *http.Request { return r.Signed("GET", "/", "") },
		"a list of deletions": func(r *rig) *http.Request {
			return r.Signed("POST", "/photos?delete", "<Delete><Object><Key>a</Key></Object></Delete>")
		},
		"a preflight": preflight,
	} {
		r := entries(t, callbacks.Set{}, settings{"limits": settings{"entry": once, "anonymous": once, "all": once}, "policy": rules("GetObject photos/k")},
			map[string]settings{"photos": {"anonymous": true}})
		for range 2 {
			if got := r.Do(request(r)); got.StatusCode != 200 {
				t.Errorf("%s: %d %s", name, got.StatusCode, got.Content)
			}
		}
		if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != 200 {
			t.Errorf("%s has used up the share of others: %d", name, got.StatusCode)
		}
	}
}

func TestAListOfBucketsHasTheClassThatTheValidatorChose(t *testing.T) {
	choice := "bulk"
	may := func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		ttl := time.Duration(0)
		return callbacks.Decision{Allow: true, Limits: choice, TTL: &ttl}, nil
	}
	r := start(t, callbacks.Set{Validator: may}, settings{"callbacks": []string{"validator"}, "limits": settings{"classes": settings{"bulk": once}}})
	for _, c := range []struct {
		choice string
		status int
	}{{"bulk", 200}, {"bulk", 503}, {"other", 403}} {
		choice = c.choice
		if got := r.Do(r.Signed("GET", "/", "")); got.StatusCode != c.status {
			t.Errorf("%+v: %d", c, got.StatusCode)
		}
	}
}

func TestALimitIsAboutAClassOfOperations(t *testing.T) {
	for class, requests := range map[string][2]string{
		"read": {"GET /photos/k", "HEAD /photos/k?versionId=1"}, "write": {"PUT /photos/k", "POST /photos/k?uploads"},
		"list": {"GET /photos?list-type=2", "GET /"}, "delete": {"DELETE /photos/k", "DELETE /photos/k?uploadId=1"},
	} {
		r := start(t, callbacks.Set{}, settings{"limits": settings{"token": settings{class: once}}})
		for i, request := range requests {
			method, target, _ := strings.Cut(request, " ")
			if got := r.Do(r.Signed(method, target, "")); (got.StatusCode == 503) != (i == 1) {
				t.Errorf("%s: %s: %d", class, request, got.StatusCode)
			}
		}
		for other, request := range map[string]string{"read": "GET /photos/x", "write": "PUT /photos/x", "list": "GET /", "delete": "DELETE /photos/x"} {
			method, target, _ := strings.Cut(request, " ")
			if got := r.Do(r.Signed(method, target, "")); other != class && got.StatusCode == 503 {
				t.Errorf("%s limits %s", class, request)
			}
		}
	}
}

func TestAUsedUpQuotaIsNoReasonToTryAgain(t *testing.T) {
	for _, rule := range []settings{{"requests_per_day": 1}, {"bytes_per_day": 4}} {
		r := start(t, callbacks.Set{}, settings{"limits": settings{"token": rule}})
		if got := r.Do(r.Signed("PUT", "/photos/k", "12345")); got.StatusCode != 200 {
			t.Fatalf("%d", got.StatusCode)
		}
		got := r.Do(r.Signed("GET", "/photos/k", ""))
		if got.StatusCode != 403 || got.Code() != "QuotaExceeded" || got.Header.Get("Retry-After") != "" {
			t.Errorf("%v: %d %s", rule, got.StatusCode, got.Content)
		}
	}
}

func TestTheValidatorChoosesAClass(t *testing.T) {
	choice := "bulk"
	may := func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		ttl := time.Duration(0)
		return callbacks.Decision{Allow: true, Limits: choice, TTL: &ttl}, nil
	}
	r := start(t, callbacks.Set{Validator: may}, settings{"callbacks": []string{"validator"}, "limits": settings{
		"token": once, "classes": settings{"bulk": settings{"requests": 0.01, "burst": 2}},
	}})
	for _, c := range []struct {
		choice string
		status int
	}{{"bulk", 200}, {"bulk", 200}, {"bulk", 503}, {"", 200}, {"", 503}, {"other", 403}} {
		choice = c.choice
		if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != c.status {
			t.Errorf("%+v: %d", c, got.StatusCode)
		}
	}
}

func TestClientsWithoutASignatureHaveLimitsOfTheirOwn(t *testing.T) {
	for _, scope := range []string{"anonymous", "address"} {
		r := entries(t, callbacks.Set{}, settings{"limits": settings{scope: once}, "policy": rules("* *")}, map[string]settings{"photos": {"anonymous": true}})
		for _, status := range []int{200, 503} {
			if got := r.Do(r.Request("GET", "/photos/k", "")); got.StatusCode != status {
				t.Errorf("%s: %d, want %d", scope, got.StatusCode, status)
			}
		}
		if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != 200 {
			t.Errorf("%s: who has signed: %d", scope, got.StatusCode)
		}
	}
}

func TestAnAddressIsANetworkOfIPv6(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::9": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "::ffff:192.0.2.1": "::ffff:192.0.2.1", "unix": "unix", "": "",
	} {
		if got := network(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestAnUpdateChangesLimitsAndKeepsWhatWasTaken(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"limits": settings{"token": once}})
	update := func(limits any) {
		t.Helper()
		document, err := json.Marshal(settings{"limits": limits})
		if err != nil {
			t.Fatal(err)
		}
		u, err := r.Config.ParseUpdate(document, config.Running{})
		if err != nil {
			t.Fatal(err)
		}
		r.pipeline.Update(u)
	}
	status := func() int { return r.Do(r.Signed("GET", "/photos/k", "")).StatusCode }
	got := []int{status(), status()}
	update(settings{"token": once})
	got = append(got, status())
	update(settings{"token": settings{"requests": 0.01, "burst": 2}})
	got = append(got, status(), status())
	update(settings{})
	got = append(got, status())
	if want := "[200 503 503 200 503 200]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestLimitsOfAnEntry(t *testing.T) {
	r := entries(t, callbacks.Set{}, settings{"limits": settings{"entry": once}}, map[string]settings{
		"photos": {"limits": settings{"all": settings{"requests": 0.01, "burst": 2}}}, "other": {},
	})
	for _, c := range []struct {
		bucket string
		status int
	}{{"photos", 200}, {"photos", 200}, {"photos", 503}, {"other", 200}, {"other", 503}} {
		if got := r.Do(r.Signed("GET", "/"+c.bucket+"/k", "")); got.StatusCode != c.status {
			t.Errorf("%+v: %d", c, got.StatusCode)
		}
	}
}

func TestBodiesKeepToTheirRates(t *testing.T) {
	const rate = 64 << 10
	r := entries(t, callbacks.Set{}, settings{"limits": settings{"token": settings{"bytes_in": rate, "bytes_out": rate}}},
		map[string]settings{"photos": {}, "renamed": {"bucket": "real"}})
	content := strings.Repeat("x", 3*rate/2)
	r.Store.Answers(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case strings.Contains(req.URL.RawQuery, "list-type"):
			if w.Header().Set("Content-Type", "application/xml"); strings.Contains(req.URL.RawQuery, "chunked") {
				_ = http.NewResponseController(w).Flush()
			}
			_, _ = fmt.Fprint(w, "<ListBucketResult>"+strings.Repeat("<Contents><Key>k</Key></Contents>", len(content)/33)+"</ListBucketResult>")
		case req.Method == http.MethodGet:
			_, _ = fmt.Fprint(w, content)
		}
	})
	for _, request := range []func() reply{
		func() reply { return r.Do(r.Signed("PUT", "/photos/k", content)) },
		func() reply { return r.Do(r.Signed("GET", "/photos/k", "")) },
		func() reply { return r.Do(r.Signed("GET", "/renamed?list-type=2", "")) }, // is rewritten
		func() reply { return r.Do(r.Signed("GET", "/renamed?list-type=2&prefix=chunked", "")) },
	} {
		begun := time.Now()
		if got := request(); got.StatusCode != 200 {
			t.Fatalf("%d %s", got.StatusCode, got.Content)
		}
		// A second's worth comes at once, and nothing makes the rest come sooner.
		if took := time.Since(begun); took < 400*time.Millisecond {
			t.Errorf("took %v", took)
		}
	}
}
