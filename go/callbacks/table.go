package callbacks

import (
	"context"
	"slices"

	"osp/go/secret"
)

// table has a row for each callback, which is all that a callback needs here
// beside its field in Set. Python has the same rows in _table.py, and
// include/osp.h in enum osp_question; tests on both sides compare them with that.
var table = []row{
	rowOf(1, "hmac_fetcher", func(s *Set) *Callback[HMACQuestion, Secret] { return &s.HMACFetcher },
		HMACQuestion.encode, decodeSecret),
	rowOf(2, "validator", func(s *Set) *Callback[*Request, Decision] { return &s.Validator },
		(*Request).encode, decodeDecision),
	rowOf(3, "bucket_creds_fetcher", func(s *Set) *Callback[BucketCredsQuestion, secret.Text] { return &s.BucketCredsFetcher },
		BucketCredsQuestion.encode, decodeBucketCreds),
	rowOf(4, shadowValidator, func(s *Set) *Callback[*Request, Decision] { return &s.ShadowValidator },
		(*Request).encode, decodeDecision),
	rowOf(5, "role_assumer", func(s *Set) *Callback[*RoleQuestion, RoleAnswer] { return &s.RoleAssumer },
		(*RoleQuestion).encode, decodeRole),
}

// shadowValidator is the name of the callback for which no request waits.
const shadowValidator = "shadow_validator"

// row is what holds for one callback.
type row struct {
	number int32  // of its question, in enum osp_question
	name   string // of the parameter of Python's ProxyServerConfig

	connect   func(*Set, Owner)
	intercept func(*Set, []Interceptor)
}

// rowOf makes the row of the callback that a field of Set holds. encode and decode
// spell its question and its answer in JSON.
func rowOf[Q Question, A any](number int32, name string, field func(*Set) *Callback[Q, A],
	encode func(Q) []byte, decode func([]byte) (A, error)) row {
	return row{
		number: number, name: name,
		connect: func(s *Set, owner Owner) {
			*field(s) = func(ctx context.Context, question Q) (A, error) {
				answer, err := owner(ctx, number, encode(question))
				if err != nil {
					var none A
					return none, err
				}
				return decode(answer)
			}
		},
		intercept: func(s *Set, interceptors []Interceptor) {
			if callback := *field(s); callback != nil {
				*field(s) = (&intercepted[Q, A]{name, callback, interceptors}).ask
			}
		},
	}
}

// Names are those of all callbacks.
func Names() []string {
	names := make([]string, len(table))
	for i, row := range table {
		names[i] = row.name
	}
	return names
}

// Owner asks the question of a row of an owner in another language. Question and
// answer are JSON, as include/osp.h says.
type Owner func(ctx context.Context, number int32, question []byte) (answer []byte, err error)

// Connect returns the callbacks of these names, each of which asks owner.
func Connect(names []string, owner Owner) Set {
	var s Set
	for _, row := range table {
		if slices.Contains(names, row.name) {
			row.connect(&s, owner)
		}
	}
	return s
}
