package main

/*
#include "../../include/osp.h"
*/
import "C"

import (
	"context"
	"errors"

	"osp/go/config"
	"osp/go/proxy"
	"osp/go/shared"
)

//export osp_forget
func osp_forget(handle C.int32_t, about *C.osp_about, wait C.int64_t, failure **C.char) (code C.int32_t) {
	defer firewall(handle, &code, failure)
	if failure == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*failure = nil
	what, ok := revocation(about)
	if !ok {
		return C.OSP_BAD_ARGUMENT
	}
	instance, code := healthy(handle)
	if instance == nil {
		return code
	}
	ctx, cancel := context.WithTimeout(context.Background(), milliseconds(wait))
	defer cancel()
	return revoked(failure, instance.Server().Forget(ctx, what))
}

//export osp_revoke
func osp_revoke(text C.osp_text, size C.size_t, about *C.osp_about, wait C.int64_t, failure **C.char) (code C.int32_t) {
	defer firewall(0, &code, failure)
	if failure == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*failure = nil
	data, ok1 := borrow(text, size)
	what, ok2 := revocation(about)
	if !ok1 || !ok2 {
		return C.OSP_BAD_ARGUMENT
	}
	cfg, err := ofFleet(data)
	if err != nil {
		return fail(failure, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), milliseconds(wait))
	defer cancel()
	return revoked(failure, proxy.Revoke(ctx, cfg, logger, what))
}

//export osp_examine
func osp_examine(text C.osp_text, size C.size_t, wait C.int64_t, out **C.char) (code C.int32_t) {
	defer firewall(0, &code, out)
	if out == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*out = nil
	data, ok := borrow(text, size)
	if !ok {
		return C.OSP_BAD_ARGUMENT
	}
	cfg, err := ofFleet(data)
	if err != nil {
		return fail(out, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), milliseconds(wait))
	defer cancel()
	return give(out, proxy.Examine(ctx, cfg, logger))
}

// ofFleet reads a configuration that has a shared state.
func ofFleet(data []byte) (*config.Config, error) {
	cfg, err := config.Parse(data)
	if err == nil {
		err = cfg.RequireShared()
	}
	return cfg, err
}

// revoked says what came of a revocation.
func revoked(failure **C.char, err error) C.int32_t {
	switch {
	case err == nil:
		return C.OSP_OK
	case errors.Is(err, shared.ErrUnconfirmed):
		give(failure, map[string]string{"message": err.Error()})
		return C.OSP_AGAIN
	case errors.Is(err, shared.ErrNotRecorded):
		give(failure, map[string]string{"message": err.Error()})
		return C.OSP_AWAY
	}
	return fail(failure, err)
}
