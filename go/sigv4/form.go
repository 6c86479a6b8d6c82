package sigv4

import (
	"strings"

	"osp/go/s3err"
	"osp/go/secret"
)

// Field is one field of a POST form, its name in lower case.
type Field struct{ Name, Value string }

// ParsePostPolicy reads the signature of a POST form from the fields before its
// file, in any order. The key field has to contain the key that the object will
// get, with "${filename}" already replaced. The caller bounds the size of the
// form.
//
// Errors are *s3err.Error: AccessDenied for a form that is not signed,
// InvalidArgument for one that is malformed. Verify finds out what the policy
// says, and whether the form satisfies it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
func ParsePostPolicy(bucket string, fields []Field) (*SignedRequest, error) {
	byName, err := indexFields(fields)
	if err != nil {
		return nil, err
	}
	if err := checkFormAuth(byName); err != nil {
		return nil, err
	}
	s := &SignedRequest{
		mechanism: InForm,
		signature: byName["x-amz-signature"],
		timestamp: byName["x-amz-date"],
		token:     secret.NewText(byName["x-amz-security-token"]),
		payload:   Payload{Kind: Unsigned},
	}
	if s.cred, err = parseCredential(byName["x-amz-credential"], S3, refuseForm); err != nil {
		return nil, err
	}
	if err := checkSignature(s.signature); err != nil {
		return nil, err
	}
	var ok bool
	if s.time, ok = parseBasicTime(s.timestamp); !ok {
		return nil, refuseForm("X-Amz-Date must be formated via ISO8601 Long format")
	}
	if s.timestamp[:8] != s.cred.date {
		return nil, refuseForm("Invalid credential date. Date is not the same as X-Amz-Date.")
	}
	if given, ok := byName["bucket"]; ok && given != bucket {
		return nil, s3err.AccessDenied.Msg("Invalid according to Policy: the field bucket names another bucket than the URL.")
	}
	byName["bucket"] = bucket // a policy has to name the bucket even if the form does not
	s.policy = &policy{encoded: byName["policy"], fields: byName}
	return s, nil
}

// indexFields refuses duplicate fields: the policy would be checked against one
// of them, and the store might use the other.
func indexFields(fields []Field) (map[string]string, error) {
	byName := make(map[string]string, len(fields)+1)
	for _, f := range fields {
		if _, doubled := byName[f.Name]; doubled && !isIgnoredField(f.Name) {
			return nil, refuseForm("POST requires exactly one field named " + quote(f.Name) + ".")
		}
		byName[f.Name] = f.Value
	}
	return byName, nil
}

// formAuth are the fields of a signed form. If there is one of them, all are
// required.
var formAuth = []string{"policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"}

func checkFormAuth(fields map[string]string) error {
	if _, v2 := fields["awsaccesskeyid"]; v2 {
		return errOldMechanism
	}
	present := 0
	for _, name := range formAuth {
		if _, ok := fields[name]; ok {
			present++
		}
	}
	if present == 0 {
		return s3err.AccessDenied
	}
	for _, name := range append([]string{"key"}, formAuth...) {
		if fields[name] == "" {
			return refuseForm("Bucket POST must contain a field named '" + name + "'.  If it is specified, please check the order of the fields.")
		}
	}
	switch fields["x-amz-algorithm"] {
	case algorithm:
		return nil
	case algorithmECDSA:
		return errSigV4A
	}
	return refuseForm("Only AWS4-HMAC-SHA256 is supported")
}

// isIgnoredField names what a policy need not cover.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
func isIgnoredField(name string) bool {
	switch name {
	case "x-amz-signature", "policy", "file":
		return true
	}
	return strings.HasPrefix(name, "x-ignore-")
}
