package proxy

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"osp/go/s3req"
	"osp/go/upstream"
)

// dropped never travel to a store: hop-by-hop fields (RFC 9110 section 7.6.1),
// the client's signature, and what load balancers add.
var dropped = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
	"Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Expect": true, "Host": true, "Content-Length": true, "Cookie": true,

	"Authorization": true, "X-Amz-Date": true, "X-Amz-Security-Token": true, "X-Amz-Content-Sha256": true,
	"X-Amz-Copy-Source": true,

	"Forwarded": true, "Via": true, "X-Real-Ip": true,
}

// harmless may reach a store although the client didn't sign them: AWS takes
// them unsigned too, and none of them gives more than the signed request asks.
// Every other field must be signed, or a store might act on what only an
// attacker in between has said: MinIO, Ceph and IBM have fields of their own.
var harmless = map[string]bool{
	"Accept": true, "Accept-Charset": true, "Accept-Encoding": true, "Accept-Language": true,
	"Access-Control-Request-Headers": true, "Access-Control-Request-Method": true,
	"Amz-Sdk-Invocation-Id": true, "Amz-Sdk-Request": true, "Cache-Control": true,
	"Content-Disposition": true, "Content-Encoding": true, "Content-Language": true, "Content-Md5": true,
	"Content-Type": true, "Date": true, "Expires": true, "If-Match": true, "If-Modified-Since": true,
	"If-None-Match": true, "If-Range": true, "If-Unmodified-Since": true, "Origin": true, "Pragma": true,
	"Range": true, "Referer": true, "Traceparent": true, "Tracestate": true, "User-Agent": true,
	"X-Amzn-Trace-Id": true,
}

// storeHeader selects the fields of a request that go to the store. signed are
// the names that the client's signature covers, in lower case and sorted.
func storeHeader(client http.Header, signed []string) http.Header {
	named := connectionNamed(client)
	out := make(http.Header, len(client))
	for name, values := range client {
		name = textproto.CanonicalMIMEHeaderKey(name)
		if dropped[name] || named[name] || strings.HasPrefix(name, "X-Forwarded-") {
			continue
		}
		_, isSigned := slices.BinarySearch(signed, strings.ToLower(name))
		if isSigned || harmless[name] {
			out[name] = values
		}
	}
	return out
}

// clientHeader copies the fields of a store's answer that go to the client.
func clientHeader(to, store http.Header) {
	named := connectionNamed(store)
	for name, values := range store {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer",
			"Transfer-Encoding", "Upgrade", "Server":
			continue
		}
		if !named[name] {
			to[upstream.Spell(name)] = values
		}
	}
	if store["Content-Type"] == nil {
		to["Content-Type"] = nil // or net/http would guess one
	}
}

// connectionNamed are the fields that Connection declares to be hop-by-hop.
func connectionNamed(h http.Header) map[string]bool {
	var named map[string]bool
	for _, value := range h["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			if named == nil {
				named = make(map[string]bool)
			}
			named[textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	return named
}

// storeQuery is the client's query without the parameters of a presigned URL.
func storeQuery(q s3req.Query) s3req.Query {
	out := make(s3req.Query, 0, len(q))
	for _, p := range q {
		if !signature(p.Name) {
			out = append(out, p)
		}
	}
	return out
}

// signature reports whether a query parameter belongs to a presigned URL
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
func signature(name string) bool {
	switch name {
	case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
		"X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256":
		return true
	}
	return false
}
