package pipeline

import (
	"context"
	"net"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/h1"
	"osp/go/pipeline/pipelinetest"
)

const (
	clientKey    = pipelinetest.ClientKey
	clientSecret = pipelinetest.ClientSecret
	storeKey     = pipelinetest.StoreKey
	storeSecret  = pipelinetest.StoreSecret
)

type (
	settings = pipelinetest.Settings
	reply    = pipelinetest.Reply
)

// rig is a pipeline behind a server for HTTP/1, with a store behind it.
type rig struct {
	*pipelinetest.Rig
	pipeline *Pipeline
}

// start makes a pipeline for the buckets "photos" and "other" of one store.
// change adds to its configuration.
func start(t testing.TB, h callbacks.Set, change settings) *rig {
	t.Helper()
	return entries(t, h, change, pipelinetest.Buckets())
}

// entries is start with other entries, each with changes of its own.
func entries(t testing.TB, h callbacks.Set, change settings, named map[string]settings) *rig {
	t.Helper()
	return observed(t, h, change, named, Options{})
}

// observed is entries with other options.
func observed(t testing.TB, h callbacks.Set, change settings, named map[string]settings, o Options) *rig {
	t.Helper()
	r := &rig{Rig: pipelinetest.New(t, change, named)}
	o.Log = r.Log.Logger()
	r.pipeline = New(r.Config, h, o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &h1.Server{Handler: r.pipeline.Handler("http"), ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10, Log: o.Log}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // it ends with the test
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("stopping: %v", err)
		}
		<-served
		r.pipeline.Close(10 * time.Second)
	})
	r.URL = "http://" + l.Addr().String()
	return r
}
