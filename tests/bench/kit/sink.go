package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// blocks hold what is read and forgotten.
var blocks = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// sink answers on 127.0.0.1 like a store that keeps nothing: a PUT is read to
// its end, then its ETag is made up; everything else is an empty object.
func sink(port int) error {
	return http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", port), http.HandlerFunc(swallow))
}

func swallow(w http.ResponseWriter, r *http.Request) {
	block := blocks.Get().(*[256 << 10]byte)
	defer blocks.Put(block)
	for {
		_, err := r.Body.Read(block[:])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			// Without its end a body is no object, as in a real store.
			http.Error(w, "the body has no end", http.StatusBadRequest)
			return
		}
	}
	w.Header().Set("ETag", `"d41d8cd98f00b204e9800998ecf8427e"`)
	w.Header().Set("Content-Length", "0")
}
