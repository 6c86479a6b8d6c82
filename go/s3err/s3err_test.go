package s3err

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDerivedCopiesStillMatchTheirOrigin(t *testing.T) {
	cause := errors.New("disk on fire")
	err := fmt.Errorf("stage: %w", AccessDenied.Msg("no").Because(cause))
	if !errors.Is(err, AccessDenied) || errors.Is(err, NoSuchBucket) || !errors.Is(err, cause) {
		t.Error("errors.Is does not see through a derived copy")
	}
	if AccessDenied.Message != "Access Denied" {
		t.Error("deriving a copy changed the original")
	}
}

func TestUnknownErrorsTellTheClientNothing(t *testing.T) {
	e := From(errors.New("password=hunter2"))
	if e.Code != "InternalError" || strings.Contains(string(e.XML("/", "1")), "hunter2") {
		t.Errorf("got %s", e.XML("/", "1"))
	}
}

func TestXMLEscapesWhatTheClientSent(t *testing.T) {
	got := string(NoSuchBucket.XML("/<script>&\xff\x00", "id"))
	if strings.Contains(got, "<script>") || strings.Contains(got, "\x00") || !utf8.ValidString(got) {
		t.Errorf("unescaped: %q", got)
	}
	if !strings.Contains(got, "<Code>NoSuchBucket</Code>") || !strings.Contains(got, "<RequestId>id</RequestId>") {
		t.Errorf("incomplete: %q", got)
	}
}

func TestEveryRefusalOfAStoreHasWordsOfOurOwn(t *testing.T) {
	for code, want := range map[string]string{
		"NoSuchKey": "The specified key does not exist.", "AccessDenied": "Access Denied", "NoSuchUpload": NoSuchUpload.Message,
		"XMinioStorageFull": "The object store refused the request.", "": "The object store refused the request.",
	} {
		if got := Message(code); got != want {
			t.Errorf("%s: %q", code, got)
		}
	}
}

func TestAStatusAloneMakesAnAnswer(t *testing.T) {
	for status := 300; status < 600; status++ {
		e := ForStatus(status)
		if e.Status != status || e.Code == "" || e.Message == "" {
			t.Errorf("%d: %+v", status, e)
		}
	}
	for status, code := range map[int]string{400: "InvalidRequest", 403: "AccessDenied", 404: "NotFound", 412: "PreconditionFailed", 500: "InternalError", 599: "InternalError"} {
		if got := ForStatus(status).Code; got != code {
			t.Errorf("%d: %s, want %s", status, got, code)
		}
	}
}

func TestAnAnswerIsNotMuchLongerThanItsRequest(t *testing.T) {
	long := strings.Repeat("&é", 100_000)
	body := AccessDenied.Msg(long).With("Detail", long).XML(long, "id")
	if len(body) > 3*8*maxText {
		t.Errorf("%d bytes", len(body))
	}
	var read struct {
		Code, Message, Detail, Resource string
		RequestID                       string `xml:"RequestId"`
	}
	if err := xml.Unmarshal(body, &read); err != nil || read.Code != "AccessDenied" || read.RequestID != "id" || !strings.HasPrefix(long, read.Detail[:100]) {
		t.Errorf("%+.100v, %v", read, err)
	}
}
