package access

import (
	"strings"
	"testing"
)

func TestAPolicyOfASessionThatTakesMuchMemoryIsNotKept(t *testing.T) {
	const document = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": [%]}}`
	for name, c := range map[string]struct {
		resources string
		kept      int
	}{
		"folders":   {strings.Repeat(`"arn:aws:s3:::bucket/folder/*", `, 50), 1},
		"wildcards": {strings.Repeat(`"arn:aws:s3:::`+strings.Repeat("?", 250)+`", `, 7), 0},
	} {
		b := newBounds()
		text := strings.Replace(document, "%", strings.TrimSuffix(c.resources, ", "), 1)
		for range 2 {
			if p, err := b.of(text); err != nil || p == nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if b.read.Len() != c.kept {
			t.Errorf("%s: %d are kept", name, b.read.Len())
		}
	}
}
