package callbacks

// crowd says who can cause a question, and so which share of the limits it has.
type crowd int

const (
	known     crowd = iota // clients with whose keys somebody has signed before
	strangers              // anybody: it is about a key with which nobody has signed yet
	anonymous              // anybody: it is about a request without a signature
	crowds
)

// crowdOf is the crowd of a question about a verified request, by its token.
func crowdOf(token string) crowd {
	if token == "" {
		return anonymous
	}
	return known
}

// partOf is the part of the places that questions of a crowd may take, and the
// part of the queue: an eighth for strangers, so that a scan with random keys
// leaves the rest to clients who are known, and a half for requests without a
// signature, since a public site needs more than a scan may have.
var partOf = [crowds]int{known: 1, strangers: 8, anonymous: 2}
