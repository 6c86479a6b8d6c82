package main

/*
#include <stdlib.h>
#include "../../include/osp.h"
*/
import "C"

import (
	"encoding/json"
	"errors"
	"math"
	"net"
	"syscall"
	"time"
	"unsafe"

	"osp/go/config"
	"osp/go/shared"
)

// borrow copies a text of the owner.
func borrow(text C.osp_text, size C.size_t) ([]byte, bool) {
	if text == nil || size > math.MaxInt32 {
		return nil, false
	}
	return C.GoBytes(unsafe.Pointer(text), C.int(size)), true
}

// optional is borrow for a text that may be null.
func optional(text C.osp_text, size C.size_t) (*string, bool) {
	if text == nil {
		return nil, true
	}
	data, ok := borrow(text, size)
	s := string(data)
	return &s, ok
}

// revocation reads what a call makes void, as of now.
func revocation(about *C.osp_about) (shared.Revocation, bool) {
	if about == nil {
		return shared.Revocation{}, false
	}
	what := shared.Revocation{KeepSessions: about.keep_sessions != 0, At: time.Now()}
	valid := true
	for _, part := range []struct {
		to   **string
		text C.osp_text
		size C.size_t
	}{
		{&what.Token, about.token, about.token_len}, {&what.Bucket, about.bucket, about.bucket_len},
		{&what.Role, about.role, about.role_len}, {&what.Subject, about.subject, about.subject_len},
	} {
		var ok bool
		*part.to, ok = optional(part.text, part.size)
		valid = valid && ok
	}
	return what, valid
}

// fail describes err for the owner and returns its code.
func fail(text **C.char, err error) C.int32_t {
	var mistakes *config.MistakesError
	if errors.As(err, &mistakes) {
		*text = C.CString(string(mistakes.JSON()))
		return C.OSP_CONFIG_ERROR
	}
	var number syscall.Errno
	var network *net.OpError
	if !errors.As(err, &number) && errors.As(err, &network) {
		number = syscall.EADDRNOTAVAIL // the name of a host that has no address
	}
	if number != 0 {
		give(text, map[string]any{"errno": int(number), "message": err.Error()})
		return C.OSP_OS_ERROR
	}
	give(text, map[string]string{"message": err.Error()})
	return C.OSP_INTERNAL
}

func give(text **C.char, v any) C.int32_t {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings and numbers always marshal
	}
	*text = C.CString(string(out))
	return C.OSP_OK
}

// milliseconds converts a time of the owner without overflow.
func milliseconds(n C.int64_t) time.Duration {
	const most = int64(math.MaxInt64 / time.Millisecond)
	return time.Duration(min(max(int64(n), 0), most)) * time.Millisecond
}
