package callbacks

import (
	"context"
	"errors"

	"osp/go/s3err"
)

// Refusal turns an error that came of asking a callback into the answer for the
// client: SlowDown when the question could not be answered in time,
// AccessDenied for everything else that went wrong in the owner's code, with
// err as the cause for the log. Errors that are answers already stay as they
// are, and so do the caller's own context errors: that client has left.
func Refusal(ctx context.Context, err error) error {
	var answer *s3err.Error
	switch {
	case errors.As(err, &answer):
		return err
	case errors.Is(err, ErrOverloaded):
		return s3err.SlowDown.Because(err)
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return err
	default:
		return s3err.AccessDenied.Because(err)
	}
}
