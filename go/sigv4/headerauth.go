package sigv4

import "strings"

// parseHeaderAuth reads a signature in the Authorization header.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
func parseHeaderAuth(r *Request, query []param, h authHeaders) (*SignedRequest, error) {
	if len(h.authorization) != 1 {
		return nil, errOneSpace
	}
	parts, err := splitAuthorization(h.authorization[0])
	if err != nil {
		return nil, err
	}
	s := &SignedRequest{mechanism: InHeader, signature: parts.signature}
	if s.cred, err = parseCredential(parts.credential, r.service(), refuseHeader); err != nil {
		return nil, err
	}
	if s.signed, err = splitSignedHeaders(parts.signedHeaders, refuseHeader); err != nil {
		return nil, err
	}
	if err := checkSignature(s.signature); err != nil {
		return nil, err
	}
	if s.time, s.timestamp, err = h.timestamp(); err != nil {
		return nil, err
	}
	if s.timestamp[:8] != s.cred.date {
		return nil, refuseHeader("Invalid credential date. Date is not the same as X-Amz-Date.")
	}
	if s.token, err = sessionToken(h.token, nil); err != nil {
		return nil, err
	}
	hash, err := r.signedHash(h.payloadHash)
	if err != nil {
		return nil, err
	}
	return s.finish(r, query, hash)
}

// signedHash is the payload hash of the canonical request.
func (r *Request) signedHash(said []string) (string, error) {
	switch {
	case r.service() != S3 && len(said) == 0:
		return r.BodyHash, nil
	case len(said) == 0:
		return "", missingHeader("x-amz-content-sha256")
	case len(said) > 1 || r.service() != S3 && said[0] != r.BodyHash:
		return "", errPayloadHash
	}
	return said[0], nil
}

// authorization holds the three components of the header.
type authorization struct{ credential, signedHeaders, signature string }

func splitAuthorization(value string) (authorization, error) {
	var a authorization
	kind, rest, spaced := strings.Cut(strings.Trim(value, " \t"), " ")
	switch {
	case kind == algorithm && spaced:
	case kind == algorithmECDSA:
		return a, errSigV4A
	case kind == "AWS":
		return a, errOldMechanism
	case !spaced:
		return a, errOneSpace
	default:
		return a, errUnknownType
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.Trim(part, " \t"), "=")
		if err := a.set(name, value); err != nil {
			return a, err
		}
	}
	switch {
	case a.credential == "":
		return a, refuseHeader("missing Credential.")
	case a.signedHeaders == "":
		return a, refuseHeader("missing SignedHeaders.")
	case a.signature == "":
		return a, refuseHeader("missing Signature.")
	}
	return a, nil
}

func (a *authorization) set(name, value string) error {
	var into *string
	switch name {
	case "Credential":
		into = &a.credential
	case "SignedHeaders":
		into = &a.signedHeaders
	case "Signature":
		into = &a.signature
	default:
		return refuseHeader("the authorization component " + quote(name) + " is malformed.")
	}
	if *into != "" {
		return refuseHeader("the authorization component " + quote(name) + " is present twice.")
	}
	*into = value
	return nil
}
