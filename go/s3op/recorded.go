package s3op

// Recorded is the request for an operation, as far as a log tells: without a query and
// without headers, and so without a version and a second object. It is nil for what is no
// operation.
func Recorded(op Operation, method, bucket, key string) *Request {
	if needs[op] == nil {
		return nil
	}
	return &Request{Method: method, Path: Path(bucket, key), Bucket: bucket, Key: key, Operation: op, Fallback: fallbacks[op]}
}

// fallbacks are those of all operations that have one.
var fallbacks = func() map[Operation]Operation {
	all := map[Operation]Operation{}
	for _, ops := range operations {
		for _, op := range ops {
			if op.fallback != "" {
				all[op.name] = op.fallback
			}
		}
	}
	return all
}()
