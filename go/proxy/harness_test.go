package proxy

import (
	"context"
	"strconv"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
)

type (
	settings = pipelinetest.Settings
	reply    = pipelinetest.Reply
)

// rig is a running proxy with a store behind it.
type rig struct {
	*pipelinetest.Rig
	server *Server
}

// start runs a proxy for the buckets "photos" and "other" of one store. change
// adds to its configuration.
func start(t testing.TB, h callbacks.Set, change settings) *rig {
	t.Helper()
	r := &rig{Rig: pipelinetest.New(t, change, pipelinetest.Buckets())}
	r.server = New(r.Config, h, r.Log.Logger())
	if err := r.server.Listen(); err != nil {
		t.Fatal(err)
	}
	r.server.Serve()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.server.Stop(ctx); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	r.URL = "http://127.0.0.1:" + strconv.Itoa(r.server.HTTPPort())
	return r
}
