package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/cpu"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
	"osp/go/secret"
)

// A request of one client must not wait for one of another, however many processors
// there are: no lock is theirs together. With more of Go's processors than the machine
// has, the kernel often stops one that holds a lock, so that others meet it.
const (
	manyProcs       = 8
	clientsOfMany   = 16 // few enough that none has to queue (see serving's FairQueue)
	requestsPerTurn = 1000
)

// severalClients are the requests of clients with keys of their own.
func severalClients(r *rig) [][]byte {
	wires := make([][]byte, clientsOfMany)
	for i := range wires {
		// The access key is no part of what is signed.
		key := fmt.Sprintf("client/%03d", i)
		wires[i] = bytes.Replace(r.Wire(), []byte(pipelinetest.ClientKey), []byte(key), 1)
	}
	return wires
}

// obliging answers every question as the clients of severalClients need it.
func obliging() callbacks.Set {
	return callbacks.Set{
		HMACFetcher: func(context.Context, callbacks.HMACQuestion) (callbacks.Secret, error) {
			return callbacks.Secret{Key: secret.NewText(pipelinetest.ClientSecret)}, nil
		},
		Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
			return callbacks.Decision{Allow: true}, nil
		},
		BucketCredsFetcher: func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
			return secret.NewText(`{"access_key": "` + pipelinetest.StoreKey + `", "secret_key": "` + pipelinetest.StoreSecret + `"}`), nil
		},
	}
}

func TestNoWarmRequestMeetsTheLockOfAnotherClient(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(manyProcs))
	for name, more := range map[string]settings{"with credentials of the entry": {}, "with metrics": {"metrics_port": 0}, "with fetched credentials": nil} {
		t.Run(name, func(t *testing.T) {
			change := pipelinetest.Canned(t)
			if more == nil {
				entry := change["cos_map"].(settings)["photos"].(settings)
				delete(entry, "access_key")
				delete(entry, "secret_key")
			}
			for parameter, value := range more {
				change[parameter] = value
			}
			r := start(t, obliging(), change)
			met := turn(t, r, severalClients(r))
			for stack, times := range met {
				t.Errorf("%d times a request waited for another:\n%s", times, stack)
			}
		})
	}
}

// turn has every client send its requests, first a few that fill the caches, and
// returns the stacks of our own code that waited for a lock or had others wait.
func turn(t *testing.T, r *rig, wires [][]byte) map[string]int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties every sync.Pool, and those refill under a lock
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(0))
	defer runtime.SetBlockProfileRate(0)
	var warm, done sync.WaitGroup
	warm.Add(len(wires))
	measure := make(chan struct{})
	for _, wire := range wires {
		done.Go(func() {
			conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.server.HTTPPort()))
			if err != nil {
				t.Error(err)
				warm.Done()
				return
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			for i := range requestsPerTurn {
				if i == requestsPerTurn/10 {
					warm.Done()
					<-measure
				}
				if err := clientLoop(conn, in, wire); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	warm.Wait()
	before := contention()
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	close(measure)
	done.Wait()
	met := contention()
	for stack, times := range before {
		if met[stack] -= times; met[stack] == 0 {
			delete(met, stack)
		}
	}
	return met
}

// contention returns the stacks in which a lock was waited for so far (block profile)
// or released while others waited (mutex profile), as far as they are ours.
func contention() map[string]int64 {
	met := make(map[string]int64)
	for _, profile := range []func([]runtime.BlockProfileRecord) (int, bool){runtime.MutexProfile, runtime.BlockProfile} {
		records := make([]runtime.BlockProfileRecord, 10_000)
		n, _ := profile(records)
		for _, record := range records[:n] {
			if stack, ours := describe(record.Stack()); ours {
				met[stack] += record.Count
			}
		}
	}
	return met
}

// own are the receivers whose locks belong to one connection, or to one request: those
// are met by what watches for the client to leave, but by no other client.
var own = []string{"osp/go/h1.(*conn).", "osp/go/h1.(*response).", "osp/go/h1.(*body).", "osp/go/h1.(*requestContext).", "osp/go/tcp.(*Conn)."}

// describe spells a stack, and reports whether a lock was met in our code that is not
// one of a connection's own.
func describe(stack []uintptr) (text string, met bool) {
	var lines strings.Builder
	locks, holder := false, ""
	frames := runtime.CallersFrames(stack)
	for {
		frame, more := frames.Next()
		locks = locks || strings.HasPrefix(frame.Function, "sync.(*Mutex)") || strings.HasPrefix(frame.Function, "sync.(*RWMutex)")
		if holder == "" && strings.HasPrefix(frame.Function, "osp/go/") {
			holder = frame.Function // the innermost of ours
		}
		fmt.Fprintf(&lines, "  %s:%d\n", frame.Function, frame.Line)
		if !more {
			break
		}
	}
	isOwn := func(receiver string) bool { return strings.HasPrefix(holder, receiver) }
	ours := holder != "" && !strings.HasPrefix(holder, "osp/go/pipeline/pipelinetest.") && !slices.ContainsFunc(own, isOwn)
	return lines.String(), locks && ours
}

// A counter that every request changes has its cache line to itself: otherwise
// processors would take it from each other also for what they only read.
func TestNoCounterSharesACacheLine(t *testing.T) {
	server := reflect.TypeFor[Server]()
	for _, path := range [][]string{
		{"queue", "active"},
		{"pipeline", "inFlight"},
		{"pipeline", "recorder", "running"},
	} {
		at := server
		for _, name := range path[:len(path)-1] {
			at = structOf(fieldOf(t, at, name).Type)
		}
		alone(t, at, path[len(path)-1])
	}
	alone(t, reflect.TypeOf(&counting).Elem(), "requests")
}

// structOf follows pointers and slices.
func structOf(at reflect.Type) reflect.Type {
	for at.Kind() != reflect.Struct {
		at = at.Elem()
	}
	return at
}

func fieldOf(t *testing.T, at reflect.Type, name string) reflect.StructField {
	t.Helper()
	field, ok := at.FieldByName(name)
	if !ok {
		t.Fatalf("%v has no field %s", at, name)
	}
	return field
}

// alone fails if anything else of the struct may lie in the field's cache line.
func alone(t *testing.T, at reflect.Type, name string) {
	t.Helper()
	const line = unsafe.Sizeof(cpu.CacheLinePad{})
	counter := fieldOf(t, at, name)
	before, after := false, false
	for i := range at.NumField() {
		field := at.Field(i)
		before = before || field.Name == "_" && field.Offset+field.Type.Size() <= counter.Offset && field.Type.Size() >= line
		after = after || field.Name == "_" && field.Offset >= counter.Offset+counter.Type.Size() && field.Type.Size() >= line
		if field.Name == "_" || field.Name == name {
			continue
		}
		if field.Offset < counter.Offset+counter.Type.Size()+line && field.Offset+field.Type.Size()+line > counter.Offset {
			t.Errorf("%v: %s may share a cache line with %s", at, name, field.Name)
		}
	}
	if !before || !after {
		t.Errorf("%v: %s has no room around it", at, name)
	}
}
