package identity

import (
	"testing"
	"time"
)

func TestATokenFromAClockThatIsAheadIsNoYoungerThanItsFirstUse(t *testing.T) {
	s := newScene(t)
	came := s.clock.Truncate(time.Second)
	s.clock.Time = came
	issued := func(name string, by time.Duration) time.Duration {
		t.Helper()
		return s.want(name, s.Token(t, s.claims(map[string]any{"iat": came.Add(by).Unix()})), nil).Issued.Sub(came)
	}
	if at := issued("of its own time", 0); at != 0 {
		t.Errorf("of its own time: %v", at)
	}
	if at := issued("ahead", 30*time.Second); at != 0 {
		t.Errorf("ahead: %v", at)
	}
	s.clock.Time = came.Add(time.Minute)
	if at := issued("the same again", 30*time.Second); at != 0 {
		t.Errorf("later, when it is not ahead any more: %v", at)
	}
	if at := issued("a younger one", 40*time.Second); at != 10*time.Second {
		t.Errorf("another one of that clock: %v", at)
	}
	s.Verifier = s.With([]Issuer{{URL: s.URL, Audiences: []string{"s3"}}})
	if at := issued("after an update", 30*time.Second); at != 0 {
		t.Errorf("after an update: %v", at)
	}
	if at := s.want("no time", s.Token(t, s.claims(map[string]any{"iat": nil})), nil).Issued; !at.IsZero() {
		t.Errorf("without a time: %v", at)
	}
}
