package wire

// The parameters that a presigned URL is signed by
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
// To S3 their names have this one spelling.
const (
	AlgorithmParam     = "X-Amz-Algorithm"
	CredentialParam    = "X-Amz-Credential"
	DateParam          = "X-Amz-Date"
	ExpiresParam       = "X-Amz-Expires"
	SignedHeadersParam = "X-Amz-SignedHeaders"
	SignatureParam     = "X-Amz-Signature"
	SecurityTokenParam = "X-Amz-Security-Token"
	ContentHashParam   = "X-Amz-Content-Sha256"
)

// IsSignature reports whether a query parameter belongs to the signature of a
// presigned URL.
func IsSignature(name string) bool {
	switch name {
	case AlgorithmParam, CredentialParam, DateParam, ExpiresParam, SignedHeadersParam,
		SignatureParam, SecurityTokenParam, ContentHashParam:
		return true
	}
	return false
}
