package pipeline

import (
	"bytes"

	"osp/go/s3err"
	"osp/go/strictxml"
	"osp/go/upstream"
)

const maxRestoreRequest = 64 << 10

var errRestore = s3err.NotImplemented.Msg("Only restores without a query are supported.")

// attachRestore attaches the body of RestoreObject after a look at it: S3 once
// could also query the object and put the result into any bucket, by a name
// that no validator would see
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html).
func (x *exchange) attachRestore(call *upstream.Call) error {
	body, err := x.wholeBody(maxRestoreRequest)
	if err != nil {
		return err
	}
	if err := checkRestore(body); err != nil {
		return err
	}
	attachWhole(call, body)
	return nil
}

func checkRestore(body []byte) error {
	doc := strictxml.New(bytes.NewReader(body))
	value := func() error {
		_, err := doc.Text()
		return err
	}
	return doc.Document("RestoreRequest", func(name string) error {
		switch name {
		case "Days", "Tier", "Description":
			return value()
		case "GlacierJobParameters":
			return doc.Elements(func(name string) error {
				if name == "Tier" {
					return value()
				}
				return errRestore
			})
		}
		return errRestore
	})
}
