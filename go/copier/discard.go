package copier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"osp/go/s3err"
	"osp/go/s3op"
)

// discardPatience is how long a deletion may take. Nobody else ends it: the client may
// have left.
const discardPatience = 30 * time.Second

// discard removes what the target's store took for the copy, and isn't, and returns
// the error for that, which says what is there now. Only a version is surely what was
// just written: without one, somebody else may have written since, and some stores
// pass over If-Match of a deletion and delete whatever there is.
func (c *Copy) discard(ctx context.Context, stored http.Header, why *s3err.Error) error {
	version := stored.Get("X-Amz-Version-Id")
	switch {
	case c.Operation == s3op.UploadPartCopy: // nobody can delete one
		return why.Msg(why.Message + " The upload must not be completed with that part.")
	case version == "" || version == "null": // of which there is one, whoever wrote it
		return why.Msg(why.Message + " The wrong object is still there.")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardPatience)
	defer cancel()
	if err := c.deleteVersion(ctx, version); err != nil {
		return why.Msg(why.Message + " The wrong object is still there.").Because(errors.Join(errors.Unwrap(why), err))
	}
	return why.Msg(why.Message + " The wrong object was deleted.")
}

// deleteVersion deletes one version of the target.
func (c *Copy) deleteVersion(ctx context.Context, version string) error {
	call, err := c.targetCall(http.MethodDelete)
	if err != nil {
		return err
	}
	call.Query = s3op.Query{{Name: "versionId", Value: version}}
	resp, err := c.send(ctx, call)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusOK {
		return fmt.Errorf("deleting it again: %w", refusal(resp, c.Target))
	}
	return nil
}
