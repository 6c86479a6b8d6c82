package pipeline

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"time"

	"osp/go/access"
	"osp/go/s3err"
)

// bucketList is the body of ListBuckets' response
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html).
type bucketList struct {
	XMLName xml.Name      `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner   bucketOwner   `xml:"Owner"`
	Buckets []bucketEntry `xml:"Buckets>Bucket"`
	Prefix  string        `xml:"Prefix,omitempty"`
	Next    string        `xml:"ContinuationToken,omitempty"`
}

type bucketOwner struct {
	ID          string
	DisplayName string
}

type bucketEntry struct {
	Name         string
	CreationDate string
	BucketRegion string
}

const maxBuckets = 10000 // of one response, which is AWS's limit

// listBuckets answers with the configured buckets that the caller may list, unless a
// policy denies the caller any list. No store is asked: their own lists would show
// what nobody configured.
func (p *Pipeline) listBuckets(x *exchange) error {
	prefix, _ := x.req.Query.Get("prefix")
	after, _ := x.req.Query.Get("continuation-token")
	region, inRegion := x.req.Query.Get("bucket-region")
	limit := maxBuckets
	if raw, ok := x.req.Query.Get("max-buckets"); ok {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 1 || n > maxBuckets {
			return s3err.InvalidArgument.Msg("max-buckets must be between 1 and 10000.")
		}
		limit = n
	}
	list := bucketList{Owner: bucketOwner{ID: "object-storage-proxy", DisplayName: "object-storage-proxy"}, Prefix: prefix}
	created := p.started.UTC().Format(time.RFC3339)
	question := p.question(x, access.Terms{Policies: access.Policies{x.stores.Policy, nil, x.role()}})
	if err := p.access.Forbidden(question); err != nil {
		x.record.decided = true
		return err
	}
	var names []string
	for _, name := range x.stores.Buckets.Names() {
		if name > after && strings.HasPrefix(name, prefix) && (!inRegion || x.stores.Buckets.Find(name).Region == region) {
			names = append(names, name)
		}
	}
	// A page at a time, since most of what is asked about is allowed.
	for len(names) > 0 && list.Next == "" {
		page := names[:min(limit, len(names))]
		names = names[len(page):]
		decisions, err := p.mayList(x, question, page)
		if err != nil {
			return err
		}
		for i, name := range page {
			switch {
			case !decisions[i].Allowed:
			case len(list.Buckets) == limit:
				list.Next = list.Buckets[limit-1].Name
			default:
				list.Buckets = append(list.Buckets, bucketEntry{name, created, x.stores.Buckets.Find(name).Region})
			}
		}
	}
	if len(list.Buckets) > 0 { // whoever may list nothing takes nothing of what others share
		if err := x.admitAuthorised(); err != nil {
			return err
		}
	}
	if err := p.countUse(x); err != nil {
		return err
	}
	return x.respondXML(http.StatusOK, list)
}

// mayList asks about each bucket; see access.CheckAll.
func (p *Pipeline) mayList(x *exchange, listing *access.Question, names []string) ([]access.Decision, error) {
	questions := make([]*access.Question, len(names))
	for i, name := range names {
		questions[i] = listing.Listing(name, x.terms(x.stores.Buckets.Find(name)))
	}
	decisions, err := p.checkAll(x, questions)
	for _, d := range decisions {
		x.chosen(d)
	}
	return decisions, err
}
