package stores

import (
	"regexp"
	"slices"
	"strings"
)

// Dialect is how far a store can be trusted to be S3.
type Dialect struct {
	IBM        bool // the store is IBM's, which has header fields of its own
	OpaqueKeys bool // the store keeps keys as they are; otherwise it may clean them like paths
	Complete   bool // the store has every operation of S3, and takes none for another one
	// UnknownOperations lets pass what S3 does not have, if the validator allows
	// the operation Unknown.
	UnknownOperations bool
}

// DialectOf returns what a store's host tells, in lower case. Those whose hosts
// are known keep keys as they are; only AWS has all that is AWS's.
func DialectOf(host string) Dialect {
	d := Dialect{IBM: strings.HasSuffix(host, ibmHosts), Complete: awsHosts.MatchString(host)}
	d.OpaqueKeys = d.IBM || d.Complete || strings.HasPrefix(host, rookHosts) ||
		slices.ContainsFunc(opaqueHosts, func(suffix string) bool { return strings.HasSuffix(host, suffix) })
	return d
}

const (
	// ibmHosts ends every public host name of IBM Cloud Object Storage.
	ibmHosts = ".cloud-object-storage.appdomain.cloud"
	// rookHosts begins the names that Rook gives to Ceph's gateways in Kubernetes.
	rookHosts = "rook-ceph-rgw-"
)

// opaqueHosts end the names of Google's hosts, and those of public services that
// run Ceph.
var opaqueHosts = []string{"storage.googleapis.com", ".dream.io"}

// awsHosts are S3's own endpoints
// (https://docs.aws.amazon.com/general/latest/gr/s3.html), and no load balancer
// or machine of somebody else there.
var awsHosts = regexp.MustCompile(`^(?:[a-z0-9.-]+\.)?(?:s3|s3-[a-z0-9-]+|s3express-[a-z0-9-]+)(?:\.dualstack)?(?:\.[a-z]{2}(?:-[a-z]+)+-[0-9]+)?(?:\.vpce)?\.amazonaws\.com(?:\.cn)?$`)
