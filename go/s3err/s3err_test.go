package s3err

import (
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
