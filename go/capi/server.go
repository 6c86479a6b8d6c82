package main

/*
#include "../../include/osp.h"
*/
import "C"

import (
	"osp/go/capi/border"
	"osp/go/config"
	"osp/go/proxy"
)

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
	return asked(handle, text, size, failure, func(server border.Server, data []byte) C.int32_t {
		if err := server.Update(data); err != nil {
			return fail(failure, err)
		}
		return C.OSP_OK
	})
}

// asked does what a document asks of a server, which stores in out what came of it.
func asked(handle C.int32_t, text C.osp_text, size C.size_t, out **C.char, do func(server border.Server, data []byte) C.int32_t) C.int32_t {
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
	return do(instance.Server(), data)
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
