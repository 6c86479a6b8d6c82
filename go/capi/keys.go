package main

/*
#include "../../include/osp.h"
*/
import "C"

import (
	"osp/go/capi/border"
	"osp/go/config"
	"osp/go/proxy"
	"osp/go/session"
)

//export osp_issue
func osp_issue(handle C.int32_t, text C.osp_text, size C.size_t, out **C.char) (code C.int32_t) {
	defer firewall(handle, &code, out)
	return asked(handle, text, size, out, func(server border.Server, data []byte) C.int32_t {
		keys, err := server.Issue(data)
		return issued(out, keys, err)
	})
}

//export osp_mint
func osp_mint(text C.osp_text, size C.size_t, request C.osp_text, requestSize C.size_t, out **C.char) (code C.int32_t) {
	defer firewall(0, &code, out)
	if out == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*out = nil
	data, ok1 := borrow(text, size)
	wanted, ok2 := borrow(request, requestSize)
	if !ok1 || !ok2 {
		return C.OSP_BAD_ARGUMENT
	}
	cfg, err := config.Parse(data)
	if err != nil {
		return fail(out, err)
	}
	keys, err := proxy.Issue(cfg, wanted)
	return issued(out, keys, err)
}

// issued hands temporary keys out, or says why there are none.
func issued(out **C.char, keys session.Keys, err error) C.int32_t {
	if err != nil {
		return fail(out, err)
	}
	*out = C.CString(string(border.Issued(keys)))
	return C.OSP_OK
}
