package pipeline

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"osp/go/s3err"
	"osp/go/wire"
)

// fieldRule is what becomes of a field of a client's request.
type fieldRule int

const (
	// validatorOnly is the rule for every field that nobody here knows: the
	// validator sees it, if it is signed. No store does: AWS ignores what it does
	// not know, but a gateway in front of a store might not.
	validatorOnly fieldRule = iota
	// dropped are hop-by-hop fields (RFC 9110 section 7.6.1), the client's
	// signature, and what load balancers add.
	dropped
	// forwardedIfSigned is the rule for S3's own fields; s3op has refused all
	// other x-amz-*. Nobody but the client may add one.
	forwardedIfSigned
	// forwarded are those that the client may not have signed: AWS takes them
	// unsigned too, and they give no more than the signed request asks.
	forwarded
)

var fieldRules = map[string]fieldRule{
	"Connection": dropped, "Keep-Alive": dropped, "Proxy-Authenticate": dropped, "Proxy-Authorization": dropped,
	"Proxy-Connection": dropped, "Te": dropped, "Trailer": dropped, "Transfer-Encoding": dropped, "Upgrade": dropped,
	"Http2-Settings": dropped, // RFC 7540 section 3.2.1, of curl --http2
	"Expect":         dropped, "Host": dropped, "Content-Length": dropped, "Cookie": dropped,

	"Authorization": dropped, "X-Amz-Date": dropped, "X-Amz-Security-Token": dropped, "X-Amz-Content-Sha256": dropped,
	"X-Amz-Copy-Source": dropped, "X-Amz-Rename-Source": dropped, // written anew

	"Forwarded": dropped, "Via": dropped, "X-Real-Ip": dropped,

	"Accept": forwarded, "Accept-Charset": forwarded, "Accept-Encoding": forwarded, "Accept-Language": forwarded,
	"Access-Control-Request-Headers": forwarded, "Access-Control-Request-Method": forwarded,
	"Amz-Sdk-Invocation-Id": forwarded, "Amz-Sdk-Request": forwarded, "Cache-Control": forwarded,
	"Content-Disposition": forwarded, "Content-Encoding": forwarded, "Content-Language": forwarded, "Content-Md5": forwarded,
	"Content-Type": forwarded, "Date": forwarded, "Expires": forwarded, "If-Match": forwarded, "If-Modified-Since": forwarded,
	"If-None-Match": forwarded, "If-Range": forwarded, "If-Unmodified-Since": forwarded, "Origin": forwarded, "Pragma": forwarded,
	"Range": forwarded, "Referer": forwarded, "Traceparent": forwarded, "Tracestate": forwarded, "User-Agent": forwarded,
	"X-Amzn-Trace-Id": forwarded,
}

// storeHeader selects the fields of a request that go to the store. signed are
// the names that the client's signature covers, in lower case and sorted; ibm
// tells that the store is IBM's, which has fields of its own for keys that
// encrypt and for retention
// (https://cloud.ibm.com/docs/cloud-object-storage?topic=cloud-object-storage-compatibility-api-bucket-operations).
func storeHeader(client http.Header, signed []string, ibm bool) http.Header {
	return fieldsOf(client, signed, ibm, forwardedIfSigned)
}

// fieldsOf selects the fields whose rule gives them at least as much as this one.
func fieldsOf(client http.Header, signed []string, ibm bool, least fieldRule) http.Header {
	named := connectionNamed(client)
	out := make(http.Header)
	for name, values := range client {
		rule, known := ruleFor(name, ibm)
		if !known { // or spelled as net/http would not
			name = textproto.CanonicalMIMEHeaderKey(name)
			rule, _ = ruleFor(name, ibm)
		}
		if rule == dropped || rule < least || named[name] || strings.HasPrefix(name, "X-Forwarded-") {
			continue
		}
		if rule != forwarded {
			if _, isSigned := slices.BinarySearch(signed, strings.ToLower(name)); !isSigned {
				continue
			}
		}
		out[name] = values
	}
	return out
}

func ruleFor(name string, ibm bool) (rule fieldRule, known bool) {
	if rule, known = fieldRules[name]; known {
		return rule, true
	}
	if strings.HasPrefix(name, "X-Amz-") || ibm && (strings.HasPrefix(name, "Ibm-") || strings.HasPrefix(name, "Retention-")) {
		return forwardedIfSigned, true
	}
	return validatorOnly, false
}

// checkNamed refuses the name of another object that was signed with blanks at its ends,
// which are trimmed from values: it would name a third.
func checkNamed(asSigned http.Header) error {
	for _, name := range []string{"X-Amz-Copy-Source", "X-Amz-Rename-Source"} {
		if slices.ContainsFunc(asSigned[name], wire.Ambiguous) {
			return s3err.InvalidArgument.Msg(strings.ToLower(name) + " must be URL-encoded.")
		}
	}
	return nil
}

// checkConnection refuses a request whose Connection takes away what was
// signed: whoever holds a presigned URL could drop the If-None-Match that its
// signer wanted. What ends here anyway may be named.
func checkConnection(client http.Header, signed []string) error {
	for name := range connectionNamed(client) {
		if _, isSigned := slices.BinarySearch(signed, strings.ToLower(name)); isSigned && fieldRules[name] != dropped {
			return s3err.InvalidRequest.Msg("Connection names a header that is signed.")
		}
	}
	return nil
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
