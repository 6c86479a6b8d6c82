package main

/*
#include "../../include/osp.h"
*/
import "C"

import (
	"osp/go/logs"
	"osp/go/proxy"
)

//export osp_answer
func osp_answer(call C.uint64_t, text C.osp_text, size C.size_t) (code C.int32_t) {
	defer firewall(0, &code, nil)
	answer, ok := borrow(text, size)
	if !ok {
		return C.OSP_BAD_ARGUMENT
	}
	if !calls.Answer(uint64(call), answer) {
		return C.OSP_UNKNOWN_CALL
	}
	return C.OSP_OK
}

//export osp_log_next
func osp_log_next(level C.int32_t, timeoutMS C.int64_t, text **C.char) (code C.int32_t) {
	defer firewall(0, &code, nil)
	if text == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*text = nil
	logLevel.Set(logs.Level(int(level)))
	batch := ring.Next(milliseconds(timeoutMS))
	if batch == nil {
		return C.OSP_AGAIN
	}
	*text = C.CString(string(batch))
	return C.OSP_OK
}

//export osp_log_wake
func osp_log_wake() (code C.int32_t) {
	defer firewall(0, &code, nil)
	ring.Wake()
	return C.OSP_OK
}

//export osp_count_enable
func osp_count_enable(on C.int32_t) (code C.int32_t) {
	defer firewall(0, &code, nil)
	proxy.EnableCounting(on != 0)
	return C.OSP_OK
}

//export osp_count_get
func osp_count_get() C.uint64_t { return C.uint64_t(proxy.RequestCount()) }
