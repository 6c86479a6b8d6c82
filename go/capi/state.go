package main

/*
#include "../../include/osp.h"

static inline int32_t call_ask(const osp_callbacks *h, uint64_t call, int32_t question, const char *json, size_t len,
                               char *answer, size_t room) {
	return h->ask(h->user, call, question, json, len, answer, room);
}
*/
import "C"

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"unsafe"

	"osp/go/capi/border"
	"osp/go/logs"
)

const logBytes = 4 << 20 // of lines that wait for the owner

// version is set by the build: -ldflags "-X main.version=...".
var version = "0+unknown"

// What the process has one of.
var (
	instances   border.Table[*border.Instance]
	calls       border.Calls
	ring        = logs.NewRing(logBytes)
	logLevel    slog.LevelVar
	logger      = logs.New(ring, &logLevel)
	versionText = C.osp_text(C.CString(version))
)

// The two spellings of the contract, compared by the compiler: a difference
// makes an index that is out of range.
var _ = [1]struct{}{}[(C.OSP_ASK_FAILED^border.AskFailed)|(C.OSP_ASK_ANSWERED^border.AskAnswered)|
	(C.OSP_ASK_PENDING^border.AskPending)]

// asker keeps its own copy of the owner's functions and calls them.
func asker(owner C.osp_callbacks) border.Ask {
	return func(call uint64, question int32, json, room []byte) int32 {
		text := (*C.char)(unsafe.Pointer(unsafe.SliceData(json)))
		answer := (*C.char)(unsafe.Pointer(unsafe.SliceData(room)))
		return int32(C.call_ask(&owner, C.uint64_t(call), C.int32_t(question), text, C.size_t(len(json)), answer, C.size_t(len(room))))
	}
}

func logPanic(v any) {
	logger.Error("panic at the border", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}
