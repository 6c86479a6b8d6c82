package pipeline

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
)

// deleteResult is the answer to DeleteObjects.
type deleteResult struct {
	Deleted []struct{ Key string }
	Error   []struct{ Key, Code string }
}

func deletions(keys ...string) string {
	var b strings.Builder
	b.WriteString("<Delete>")
	for _, key := range keys {
		b.WriteString("<Object><Key>" + key + "</Key></Object>")
	}
	return b.String() + "</Delete>"
}

// deletesAll answers like a store that deletes what it is told to.
func deletesAll(s *pipelinetest.Store) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		seen := s.Requests()
		var list struct{ Object []struct{ Key string } }
		if xml.Unmarshal(seen[len(seen)-1].Body, &list) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body := `<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`
		for _, o := range list.Object {
			body += "<Deleted><Key>" + o.Key + "</Key></Deleted>"
		}
		_, _ = w.Write([]byte(body + "</DeleteResult>"))
	}
}

func TestEachKeyOfAListIsAuthorised(t *testing.T) {
	var mu sync.Mutex
	var asked []*callbacks.Request
	r := start(t, callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, q)
		return callbacks.Decision{Allow: strings.HasPrefix(q.Key, "open/")}, nil
	}}, nil)
	r.Store.Answers(deletesAll(r.Store))
	a := r.Do(r.Signed("POST", "/photos?delete", deletions("open/a", "closed/b", "open/c%20d")))
	var got deleteResult
	if err := xml.Unmarshal(a.Content, &got); err != nil || a.StatusCode != 200 {
		t.Fatalf("%d %s: %v", a.StatusCode, a.Content, err)
	}
	if len(got.Deleted) != 2 || got.Deleted[1].Key != "open/c%20d" || len(got.Error) != 1 || got.Error[0].Key != "closed/b" || got.Error[0].Code != "AccessDenied" {
		t.Errorf("got %+v", got)
	}
	sent := r.Store.Only(t)
	sum := md5.Sum(sent.Body)
	if strings.Contains(string(sent.Body), "closed") || sent.Header.Get("Content-Md5") != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Errorf("the store saw %v %s", sent.Header, sent.Body)
	}
	if len(asked) != 3 {
		t.Fatalf("%d questions", len(asked))
	}
	for _, q := range asked {
		if q.Operation != "DeleteObjects" || q.Method != "POST" || !strings.HasPrefix(q.Path, "/photos/") || q.Path == "/photos/" {
			t.Errorf("asked about %+v", q)
		}
	}
}

func TestAListOfWhichNothingMayGoNeverReachesTheStore(t *testing.T) {
	r := start(t, callbacks.Set{Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{}, nil
	}}, nil)
	a := r.Do(r.Signed("POST", "/photos?delete", deletions("a", "b&amp;c")))
	var got deleteResult
	if err := xml.Unmarshal(a.Content, &got); err != nil || a.StatusCode != 200 || len(got.Error) != 2 || got.Error[1].Key != "b&c" || len(got.Deleted) != 0 {
		t.Errorf("%d %s: %v", a.StatusCode, a.Content, err)
	}
	r.Store.Untouched(t)
}

func TestAListThatCannotBeJudgedIsRefusedAsAWhole(t *testing.T) {
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		if q.Key == "late" {
			return callbacks.Decision{}, callbacks.ErrOverloaded
		}
		return callbacks.Decision{Allow: true}, nil
	}}
	r := start(t, h, nil)
	r.Refuses(r.Signed("POST", "/photos?delete", deletions("a", "late")), 503, "SlowDown")
	r.Refuses(r.Signed("POST", "/photos?delete", "<Delete></Delete>"), 400, "MalformedXML")
	r.Refuses(r.Signed("POST", "/photos?delete", deletions("../a")), 400, "InvalidURI")
	r.Refuses(r.Signed("POST", "/photos?delete", "<Delete><Object><Key>a</Key><VersionId>../v</VersionId></Object></Delete>"), 400, "InvalidArgument")
	forged := r.Signed("POST", "/photos?delete", deletions("mine"))
	forged.Body = io.NopCloser(strings.NewReader(deletions("your")))
	r.Refuses(forged, 400, "XAmzContentSHA256Mismatch")
}
