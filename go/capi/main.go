// Package main is the C border: the functions that include/osp.h declares, and
// nothing else. It turns handles into servers and C function pointers into
// callbacks, and it is the only room that imports "C". A panic never leaves it.
package main

/*
#include <stdlib.h>
#include "../../include/osp.h"
*/
import "C"

import (
	"unsafe"

	"osp/go/capi/border"
	"osp/go/config"
)

func main() {}

// osp_check has its contract, as all functions that are exported, in include/osp.h.
//
//export osp_check
func osp_check(text C.osp_text, size C.size_t, failure **C.char) (code C.int32_t) {
	defer firewall(0, &code, failure)
	if failure == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*failure = nil
	data, ok := borrow(text, size)
	if !ok {
		return C.OSP_BAD_ARGUMENT
	}
	if _, err := config.Parse(data); err != nil {
		return fail(failure, err)
	}
	return C.OSP_OK
}

//export osp_explain
func osp_explain(text C.osp_text, size C.size_t, out **C.char) (code C.int32_t) {
	defer firewall(0, &code, out)
	return answered(text, size, out, border.Explain)
}

//export osp_replay
func osp_replay(text C.osp_text, size C.size_t, out **C.char) (code C.int32_t) {
	defer firewall(0, &code, out)
	return answered(text, size, out, border.Replay)
}

// answered stores what a function says about a document.
func answered(text C.osp_text, size C.size_t, out **C.char, say func([]byte) ([]byte, error)) C.int32_t {
	if out == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*out = nil
	data, ok := borrow(text, size)
	if !ok {
		return C.OSP_BAD_ARGUMENT
	}
	said, err := say(data)
	if err != nil {
		return fail(out, err)
	}
	*out = C.CString(string(said))
	return C.OSP_OK
}

//export osp_version
func osp_version() C.osp_text { return versionText }

//export osp_free
func osp_free(text *C.char) { C.free(unsafe.Pointer(text)) }

// firewall turns a panic of the function that defers it into OSP_INTERNAL, and
// poisons the handle that the function worked on.
func firewall(handle C.int32_t, code *C.int32_t, text **C.char) {
	v := recover()
	if v == nil {
		return
	}
	*code = C.OSP_INTERNAL
	logPanic(v)
	if instance, ok := instances.Get(int32(handle)); ok {
		instance.Poison()
	}
	if text != nil {
		*text = C.CString(`{"message":"internal failure in the library; its log says where"}`)
	}
}
