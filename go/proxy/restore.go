package proxy

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"

	"osp/go/s3err"
	"osp/go/upstream"
)

const maxRestoreRequest = 64 << 10

// attachRestore attaches the body of RestoreObject after a look at it: S3 once
// could also query the object and put the result into any bucket, by a name
// that no validator would see
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html).
func (h *handler) attachRestore(x *exchange, call *upstream.Call) error {
	body, err := h.wholeBody(x, maxRestoreRequest)
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
	dec := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return s3err.MalformedXML.Because(err)
		}
		if element, ok := token.(xml.StartElement); ok {
			switch element.Name.Local {
			case "RestoreRequest", "Days", "GlacierJobParameters", "Tier", "Description":
			default:
				return s3err.NotImplemented.Msg("Only restores without a query are supported.")
			}
		}
	}
}
