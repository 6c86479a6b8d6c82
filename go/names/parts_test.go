package names

import (
	"slices"
	"strings"
	"testing"
)

func TestPartsAreReadInOneWay(t *testing.T) {
	document := func(inside string) string { return "<CompleteMultipartUpload>" + inside + "</CompleteMultipartUpload>" }
	got, err := ParseParts(strings.NewReader(document(`<Part><PartNumber>1</PartNumber><ETag>"a"</ETag></Part><Part><ETag>b</ETag><ChecksumCRC32>x</ChecksumCRC32><PartNumber>2</PartNumber></Part>`)))
	if want := []Part{NewPart(1, "a"), NewPart(2, `"b"`)}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, wrong := range []string{
		"", "<Parts/>", document(""), document("<Part><PartNumber>1</PartNumber></Part>"), document("<Part><ETag>a</ETag></Part>"),
		document("<Part><PartNumber>1</PartNumber><PartNumber>2</PartNumber><ETag>a</ETag></Part>"),
		document("<Part><PartNumber>x</PartNumber><ETag>a</ETag></Part>"), document("<More/>"),
		document("<Part><PartNumber>1</PartNumber><ETag>a</ETag><More/></Part>"),
	} {
		if got, err := ParseParts(strings.NewReader(wrong)); err == nil {
			t.Errorf("%s: %v", wrong, got)
		}
	}
}
