package sigv4

import (
	"errors"

	"osp/go/s3err"
)

// isCode reports whether err has the code of want. A nil err has none.
func isCode(err error, want *s3err.Error) bool { return err != nil && errors.Is(err, want) }
