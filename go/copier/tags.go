package copier

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"osp/go/s3err"
	"osp/go/wire"
)

type tagging struct {
	XMLName xml.Name                      `xml:"Tagging"`
	Tags    []struct{ Key, Value string } `xml:"TagSet>Tag"`
}

// readTags returns the source's tags as x-amz-tagging takes them, those of the
// version that is being read. A copy that may not read them fails, as S3's does: one
// without them could be open to others.
func (c *Copy) readTags(ctx context.Context) (string, error) {
	call, err := c.sourceCall("tagging", c.source.version)
	if err != nil {
		return "", err
	}
	for name := range call.Header { // tags are not encrypted with an object's key
		if strings.HasPrefix(name, "X-Amz-"+customerPrefix) {
			delete(call.Header, name)
		}
	}
	resp, err := c.send(ctx, call)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", untagged(refusal(resp, c.Source))
	}
	var found tagging
	body, err := io.ReadAll(io.LimitReader(resp.Body, wire.LongestError))
	if err == nil {
		err = xml.Unmarshal(body, &found)
	}
	if err != nil {
		return "", s3err.BadGateway.Because(errors.Join(errors.New("the tags of the copy source can't be read"), err))
	}
	if count := c.source.header.Get("X-Amz-Tagging-Count"); count != "" && count != strconv.Itoa(len(found.Tags)) {
		return "", errChanged // these are another object's
	}
	var pairs []string
	for _, tag := range found.Tags {
		pairs = append(pairs, wire.Encode(tag.Key, wire.InQuery)+"="+wire.Encode(tag.Value, wire.InQuery))
	}
	return strings.Join(pairs, "&"), nil
}

// untagged is nil where a refusal says that there are no tags, or that the store
// knows none.
func untagged(e *s3err.Error) error {
	switch {
	case e.Code == "NoSuchTagSet", e.Status == http.StatusNotImplemented:
		return nil
	}
	return e
}
