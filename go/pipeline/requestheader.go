package pipeline

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"osp/go/s3err"
	"osp/go/upstream"
)

// fate is what becomes of a field of a client's request.
type fate int

const (
	// shown is the fate of every field that nobody here knows: the validator
	// sees it, if it is signed. No store does: AWS ignores what it does not
	// know, but a gateway in front of a store might not.
	shown fate = iota
	// ends here: hop-by-hop fields (RFC 9110 section 7.6.1), the client's
	// signature, and what load balancers add.
	ends
	// ifSigned is the fate of S3's own fields; s3op has refused all other
	// x-amz-*. Nobody but the client may add one.
	ifSigned
	// passes although the client may not have signed it: AWS takes it unsigned
	// too, and it gives no more than the signed request asks.
	passes
)

var fates = map[string]fate{
	"Connection": ends, "Keep-Alive": ends, "Proxy-Authenticate": ends, "Proxy-Authorization": ends,
	"Proxy-Connection": ends, "Te": ends, "Trailer": ends, "Transfer-Encoding": ends, "Upgrade": ends,
	"Expect": ends, "Host": ends, "Content-Length": ends, "Cookie": ends,

	"Authorization": ends, "X-Amz-Date": ends, "X-Amz-Security-Token": ends, "X-Amz-Content-Sha256": ends,
	"X-Amz-Copy-Source": ends, "X-Amz-Rename-Source": ends, // written anew

	"Forwarded": ends, "Via": ends, "X-Real-Ip": ends,

	"Accept": passes, "Accept-Charset": passes, "Accept-Encoding": passes, "Accept-Language": passes,
	"Access-Control-Request-Headers": passes, "Access-Control-Request-Method": passes,
	"Amz-Sdk-Invocation-Id": passes, "Amz-Sdk-Request": passes, "Cache-Control": passes,
	"Content-Disposition": passes, "Content-Encoding": passes, "Content-Language": passes, "Content-Md5": passes,
	"Content-Type": passes, "Date": passes, "Expires": passes, "If-Match": passes, "If-Modified-Since": passes,
	"If-None-Match": passes, "If-Range": passes, "If-Unmodified-Since": passes, "Origin": passes, "Pragma": passes,
	"Range": passes, "Referer": passes, "Traceparent": passes, "Tracestate": passes, "User-Agent": passes,
	"X-Amzn-Trace-Id": passes,
}

// storeHeader selects the fields of a request that go to the store. signed are
// the names that the client's signature covers, in lower case and sorted; ibm
// tells that the store is IBM's, which has fields of its own for keys that
// encrypt and for retention
// (https://cloud.ibm.com/docs/cloud-object-storage?topic=cloud-object-storage-compatibility-api-bucket-operations).
func storeHeader(client http.Header, signed []string, ibm bool) http.Header {
	return fieldsOf(client, signed, ibm, ifSigned)
}

// fieldsOf selects the fields whose fate is at least this good.
func fieldsOf(client http.Header, signed []string, ibm bool, least fate) http.Header {
	named := connectionNamed(client)
	out := make(http.Header)
	for name, values := range client {
		becomes, known := fateOf(name, ibm)
		if !known { // or spelled as net/http would not
			name = textproto.CanonicalMIMEHeaderKey(name)
			becomes, _ = fateOf(name, ibm)
		}
		if becomes == ends || becomes < least || named[name] || strings.HasPrefix(name, "X-Forwarded-") {
			continue
		}
		if becomes != passes {
			if _, isSigned := slices.BinarySearch(signed, strings.ToLower(name)); !isSigned {
				continue
			}
		}
		out[name] = values
	}
	return out
}

func fateOf(name string, ibm bool) (becomes fate, known bool) {
	if becomes, known = fates[name]; known {
		return becomes, true
	}
	if strings.HasPrefix(name, "X-Amz-") || ibm && (strings.HasPrefix(name, "Ibm-") || strings.HasPrefix(name, "Retention-")) {
		return ifSigned, true
	}
	return shown, false
}

// checkConnection refuses a request whose Connection takes away what was
// signed: whoever holds a presigned URL could drop the If-None-Match that its
// signer wanted. What ends here anyway may be named.
func checkConnection(client http.Header, signed []string) error {
	for name := range connectionNamed(client) {
		if _, isSigned := slices.BinarySearch(signed, strings.ToLower(name)); isSigned && fates[name] != ends {
			return s3err.InvalidRequest.Msg("Connection names a header that is signed.")
		}
	}
	return nil
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

// connectionNamed are the fields that Connection declares to be hop-by-hop, but
// for Keep-Alive, which always is, and close, which is no field.
func connectionNamed(h http.Header) map[string]bool {
	var named map[string]bool
	for _, value := range h["Connection"] {
		if value == "keep-alive" || value == "close" {
			continue
		}
		for name := range strings.SplitSeq(value, ",") {
			if named == nil {
				named = make(map[string]bool)
			}
			named[textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	return named
}
