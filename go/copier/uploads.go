package copier

import (
	"context"
	"encoding/xml"
	"hash/maphash"
	"io"
	"net/http"

	"osp/go/lru"
	"osp/go/payload"
	"osp/go/s3op"
	"osp/go/wire"
)

// Uploads remembers which checksum the parts of an upload have. It is set when the
// upload begins, and a store has to be asked for it, which would cost as much as a
// small part.
type Uploads struct {
	known *lru.Map[upload, payload.Algorithm]
}

type upload struct{ bucket, id string }

// NewUploads returns Uploads that remember the latest ones.
func NewUploads() *Uploads {
	hash := func(seed maphash.Seed, u upload) uint64 { return maphash.String(seed, u.id) }
	return &Uploads{lru.New[upload, payload.Algorithm](1024, hash, nil)}
}

// uploadAlgorithm is the algorithm of an upload in parts: a part with another one is
// refused. Whoever may not list them sends parts without.
func (c *Copy) uploadAlgorithm(ctx context.Context) (payload.Algorithm, error) {
	id, _ := c.Query.Get("uploadId")
	this := upload{c.Target.Bucket.Name, id}
	if a, ok := c.Uploads.known.Get(this); ok {
		return a, nil
	}
	call, err := c.targetCall(http.MethodGet)
	if err != nil {
		return payload.None, err
	}
	call.Query = s3op.Query{{Name: "max-parts", Value: "1"}, {Name: "uploadId", Value: id}}
	resp, err := c.send(ctx, call)
	if err != nil {
		return payload.None, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return payload.None, refusal(resp, c.Target)
	}
	var parts struct {
		XMLName           xml.Name `xml:"ListPartsResult"`
		ChecksumAlgorithm string
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, wire.LongestError))
	if err != nil || xml.Unmarshal(body, &parts) != nil { // a refusal, or something else
		return payload.None, nil
	}
	a, _ := payload.Named(parts.ChecksumAlgorithm)
	c.Uploads.known.Add(this, a)
	return a, nil
}
