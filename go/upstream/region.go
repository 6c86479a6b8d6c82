package upstream

import (
	"encoding/xml"
	"errors"
	"hash/maphash"
	"net/http"
	"strings"

	"osp/go/lru"
	"osp/go/s3err"
	"osp/go/stores"
	"osp/go/wire"
)

var errOtherRegion = errors.New("the bucket is in another region, which is used from now on")

// location is where a bucket is.
type location struct{ host, region string }

// regions remembers which buckets lie in a region other than their entries say.
type regions struct {
	known *lru.Map[remoteBucket, string]
}

type remoteBucket struct {
	entry  *stores.Bucket
	bucket string
}

func newRegions() *regions {
	hash := func(seed maphash.Seed, b remoteBucket) uint64 { return maphash.String(seed, b.bucket) }
	return &regions{lru.New[remoteBucket, string](4096, hash, nil)}
}

// of returns where to send a call for a bucket.
func (r *regions) of(b *stores.Bucket) location {
	region, ok := r.known.Get(remoteBucket{b.Entry(), b.Remote})
	if !ok {
		return location{b.Host, b.Region}
	}
	return location{hostIn(b.Host, b.Region, region), region}
}

// keep forgets what is not about one of the live entries.
func (r *regions) keep(live map[*stores.Bucket]bool) {
	for _, k := range r.known.Keys() {
		if !live[k.entry] {
			r.known.Remove(k)
		}
	}
}

// learn reports whether a response says that the bucket lies in a region other than
// the one that was asked, and remembers which. S3 says so with a 301, a 307 or a
// 400, in a header or, if that is missing, in the error
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html).
func (r *regions) learn(b *stores.Bucket, asked location, resp *http.Response) (bool, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest:
	default:
		return false, nil
	}
	region := resp.Header.Get("X-Amz-Bucket-Region")
	if region == "" && resp.StatusCode == http.StatusBadRequest {
		var err error
		if region, err = regionInError(resp); err != nil {
			return false, err
		}
	}
	if region == asked.region || !isRegion(region) {
		return false, nil
	}
	r.known.Add(remoteBucket{b.Entry(), b.Remote}, region)
	return true, nil
}

// regionInError reads the Region of an AuthorizationHeaderMalformed. The response's
// body can still be read from its beginning.
func regionInError(resp *http.Response) (string, error) {
	head, err := wire.Peek(&resp.Body, wire.LongestError)
	if err != nil {
		_ = resp.Body.Close() // which has failed already
		return "", s3err.BadGateway.Because(err)
	}
	var refusal struct{ Code, Region string }
	if xml.Unmarshal(head, &refusal) != nil || refusal.Code != "AuthorizationHeaderMalformed" {
		return "", nil
	}
	return refusal.Region, nil
}

// isRegion keeps a store from putting anything else into a host name.
func isRegion(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && strings.Trim(s, "-") == s
}

// hostIn returns the host for a region. Only AWS's hosts name their region; for all
// other stores only the signature changes. The redirect's own target is not
// followed: no store gets to send requests, and their signatures, elsewhere.
func hostIn(host, configured, region string) string {
	const aws = ".amazonaws.com"
	name, suffix, isAWS := strings.Cut(host, aws)
	if !isAWS || suffix != "" && suffix != ".cn" || !strings.HasPrefix(name, "s3") {
		return host
	}
	if name == "s3" {
		return "s3." + region + aws + suffix
	}
	for _, separator := range []string{".", "-"} { // s3.eu-west-1, s3.dualstack.eu-west-1, s3-eu-west-1
		if before, found := strings.CutSuffix(name, separator+configured); found {
			return before + separator + region + aws + suffix
		}
	}
	return host
}
