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
	"context"
	"errors"
	"unsafe"

	"osp/go/capi/border"
	"osp/go/config"
	"osp/go/logs"
	"osp/go/proxy"
	"osp/go/session"
	"osp/go/shared"
)

func main() {}

// osp_check has its contract, like all functions below, in include/osp.h.
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

//export osp_replay
func osp_replay(text C.osp_text, size C.size_t, out **C.char) (code C.int32_t) {
	defer firewall(0, &code, out)
	return answered(text, size, out, border.Replay)
}

//export osp_start
func osp_start(text C.osp_text, size C.size_t, owner *C.osp_callbacks, handle *C.int32_t, failure **C.char) (code C.int32_t) {
	defer firewall(0, &code, failure)
	if owner == nil || owner.ask == nil || handle == nil || failure == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*handle, *failure = 0, nil
	data, ok := borrow(text, size)
	if !ok {
		return C.OSP_BAD_ARGUMENT
	}
	instance, err := start(data, asker(*owner))
	if err != nil {
		return fail(failure, err)
	}
	*handle = C.int32_t(instances.Put(instance))
	return C.OSP_OK
}

func start(data []byte, ask border.Ask) (*border.Instance, error) {
	cfg, err := config.Parse(data)
	if err != nil {
		return nil, err
	}
	cfg.Version = version
	tune(cfg.Threads)
	bridge := border.NewBridge(&calls, ask)
	server := proxy.New(cfg, bridge.Callbacks(cfg), logger)
	if err := server.Listen(); err != nil {
		return nil, err
	}
	return border.Start(server, bridge), nil
}

//export osp_info
func osp_info(handle C.int32_t, text **C.char) (code C.int32_t) {
	defer firewall(handle, &code, nil)
	if text == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*text = nil
	instance, code := healthy(handle)
	if instance == nil {
		return code
	}
	server := instance.Server()
	return give(text, map[string]int{
		"http_port": server.HTTPPort(), "https_port": server.HTTPSPort(), "metrics_port": server.MetricsPort(),
	})
}

//export osp_update
func osp_update(handle C.int32_t, text C.osp_text, size C.size_t, failure **C.char) (code C.int32_t) {
	defer firewall(handle, &code, failure)
	if failure == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*failure = nil
	data, ok := borrow(text, size)
	if !ok {
		return C.OSP_BAD_ARGUMENT
	}
	instance, code := healthy(handle)
	if instance == nil {
		return code
	}
	if err := instance.Server().Update(data); err != nil {
		return fail(failure, err)
	}
	return C.OSP_OK
}

//export osp_issue
func osp_issue(handle C.int32_t, text C.osp_text, size C.size_t, out **C.char) (code C.int32_t) {
	defer firewall(handle, &code, out)
	if out == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*out = nil
	data, ok := borrow(text, size)
	if !ok {
		return C.OSP_BAD_ARGUMENT
	}
	instance, code := healthy(handle)
	if instance == nil {
		return code
	}
	keys, err := instance.Server().Issue(data)
	return issued(out, keys, err)
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

//export osp_reopen_logs
func osp_reopen_logs(handle C.int32_t, failure **C.char) (code C.int32_t) {
	defer firewall(handle, &code, failure)
	if failure == nil {
		return C.OSP_BAD_ARGUMENT
	}
	*failure = nil
	instance, code := healthy(handle)
	if instance == nil {
		return code
	}
	if err := instance.Server().ReopenLogs(); err != nil {
		return fail(failure, err)
	}
	return C.OSP_OK
}

//export osp_stop
func osp_stop(handle C.int32_t, delayMS, drainMS C.int64_t) (code C.int32_t) {
	defer firewall(handle, &code, nil)
	instance, code := healthy(handle)
	if instance == nil {
		return code
	}
	instance.Stop(milliseconds(delayMS), milliseconds(drainMS))
	return C.OSP_OK
}

//export osp_wait
func osp_wait(handle C.int32_t, timeoutMS C.int64_t) (code C.int32_t) {
	defer firewall(handle, &code, nil)
	instance, ok := instances.Get(int32(handle))
	if !ok {
		return C.OSP_BAD_HANDLE
	}
	if instance.Wait(milliseconds(timeoutMS)) {
		return C.OSP_OK
	}
	return C.OSP_AGAIN
}

//export osp_close
func osp_close(handle C.int32_t) (code C.int32_t) {
	defer firewall(handle, &code, nil)
	instance, ok := instances.Take(int32(handle))
	if !ok {
		return C.OSP_BAD_HANDLE
	}
	instance.Stop(0, 0)
	return C.OSP_OK
}

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

//export osp_version
func osp_version() C.osp_text { return versionText }

//export osp_free
func osp_free(text *C.char) { C.free(unsafe.Pointer(text)) }

// healthy returns the instance of a handle, or nil and the code that says why not.
func healthy(handle C.int32_t) (*border.Instance, C.int32_t) {
	instance, ok := instances.Get(int32(handle))
	switch {
	case !ok:
		return nil, C.OSP_BAD_HANDLE
	case instance.Poisoned():
		return nil, C.OSP_INTERNAL
	}
	return instance, C.OSP_OK
}

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
