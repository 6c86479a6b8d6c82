package names

import (
	"io"
	"strconv"
	"strings"

	"osp/go/s3err"
	"osp/go/strictxml"
)

// maxParts is how many parts an upload has at most.
const maxParts = 10_000

// Part is one of an upload: its number, and by its ETag what is in it.
type Part struct {
	number int
	etag   string
}

// NewPart makes a Part. Quotes about an ETag don't belong to it.
func NewPart(number int, etag string) Part {
	return Part{number, strings.Trim(etag, `" `)}
}

// ParseParts reads the body of CompleteMultipartUpload
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html),
// and nothing that a store could read in another way.
func ParseParts(body io.Reader) ([]Part, error) {
	var parts []Part
	doc := strictxml.New(body)
	err := doc.Document("CompleteMultipartUpload", func(name string) error {
		if name != "Part" {
			return strictxml.Unknown()
		}
		if len(parts) == maxParts {
			return s3err.MalformedXML
		}
		one, err := part(doc)
		parts = append(parts, one)
		return err
	})
	if err == nil && len(parts) == 0 {
		err = s3err.MalformedXML
	}
	return parts, err
}

func part(doc *strictxml.Reader) (Part, error) {
	seen := make(map[string]string, 2)
	err := doc.Elements(func(name string) error {
		if name != "PartNumber" && name != "ETag" && !strings.HasPrefix(name, "Checksum") {
			return strictxml.Unknown()
		}
		if _, again := seen[name]; again {
			return s3err.MalformedXML
		}
		text, err := doc.Text()
		seen[name] = text
		return err
	})
	if err != nil {
		return Part{}, err
	}
	number, err := strconv.Atoi(strings.TrimSpace(seen["PartNumber"]))
	if err != nil || seen["ETag"] == "" {
		return Part{}, s3err.MalformedXML
	}
	return NewPart(number, seen["ETag"]), nil
}
