package upstream

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"syscall"
	"testing"
	"time"

	"osp/go/s3err"
	"osp/go/secret"
	"osp/go/stores"
)

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestAnEntryMayHaveAnAuthorityOfItsOwn(t *testing.T) {
	s := newStore(t, httptest.NewTLSServer)
	ca := pemOf("CERTIFICATE", s.Certificate().Raw)
	b := s.bucket(func(b *stores.Bucket) { b.CA, b.Host = ca, "127.0.0.1" })
	if _, err := send(t, &Call{Bucket: b}); err != nil {
		t.Errorf("with its certificate: %v", err)
	}
}

func TestTheProxyMayShowACertificate(t *testing.T) {
	s := newStore(t, func(h http.Handler) *httptest.Server {
		server := httptest.NewUnstartedServer(h)
		server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
		server.StartTLS()
		return server
	})
	lax := func(b *stores.Bucket) { b.VerifyTLS = false }
	if _, err := send(t, &Call{Bucket: s.bucket(lax)}); !errors.Is(err, s3err.BadGateway) {
		t.Errorf("without one: %v", err)
	}
	cert, key := selfSigned(t)
	if _, err := send(t, &Call{Bucket: s.bucket(func(b *stores.Bucket) {
		lax(b)
		b.Cert, b.Key = cert, secret.New(key)
	})}); err != nil {
		t.Errorf("with one: %v", err)
	}
}

func TestAStoreThatNeverAnswersGetsABoundedWait(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	end := make(chan struct{})
	s.answer = func(http.ResponseWriter, *http.Request) { <-end }
	t.Cleanup(func() { close(end) })
	b := s.bucket(func(b *stores.Bucket) { b.AnswerTimeout = 50 * time.Millisecond })
	if _, err := send(t, &Call{Bucket: b}); !errors.Is(err, s3err.GatewayTimeout) {
		t.Errorf("got %v", err)
	}
	begun := time.Now()
	if _, err := send(t, &Call{Bucket: b, Patient: true}); !errors.Is(err, s3err.GatewayTimeout) || time.Since(begun) < patientFactor*b.AnswerTimeout {
		t.Errorf("got %v after %v", err, time.Since(begun))
	}
}

func TestTheEnvironmentsProxyCountsOnlyWhenAsked(t *testing.T) {
	for _, trust := range []bool{false, true} {
		r, err := newRoute(digest{}, stores.Transport{TrustEnv: trust})
		if err != nil {
			t.Fatal(err)
		}
		if _, proxied := r.usual.(*proxyTransport); proxied != trust {
			t.Errorf("trust_env %v: the transport is %T", trust, r.usual)
		}
	}
}

func TestThroughAProxyABrokenConnectionIsReset(t *testing.T) {
	end := make(chan error, 1)
	s := newScripted(t, func(_ int, c *scriptedConn) {
		_, err := io.Copy(io.Discard, c)
		end <- err
	})
	c, err := newProxyTransport(dialer{}, nil, 0).DialContext(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if err := <-end; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it ended with %v", err)
	}
}

func get(t *testing.T, p *pools, b *stores.Bucket, patient bool) http.RoundTripper {
	t.Helper()
	transport, err := p.get(&Call{Bucket: b, Patient: patient})
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

func TestStoresThatAreReachedAlikeShareTheirConnections(t *testing.T) {
	var p pools
	one, other := &stores.Bucket{Remote: "one"}, &stores.Bucket{Remote: "other"}
	if get(t, &p, one, false) != get(t, &p, other, false) || get(t, &p, one, false) == get(t, &p, one, true) {
		t.Error("the pools are not what they should be")
	}
}

func TestWhatTellsWaysToAStoreApartTellsTheirConnectionsApart(t *testing.T) {
	base := digestOf(stores.Transport{})
	for _, f := range reflect.VisibleFields(reflect.TypeFor[stores.Transport]()) {
		var changed stores.Transport
		switch field := reflect.ValueOf(&changed).Elem().FieldByIndex(f.Index).Addr().Interface().(type) {
		case *bool:
			*field = true
		case *string:
			*field = "x"
		case *secret.Value:
			*field = secret.New("x")
		case *time.Duration:
			*field = time.Second
		default:
			t.Fatalf("%s is of a new type", f.Name)
		}
		if digestOf(changed) == base {
			t.Errorf("%s counts for nothing", f.Name)
		}
	}
	if digestOf(stores.Transport{CA: "ab", Cert: "c"}) == digestOf(stores.Transport{CA: "a", Cert: "bc"}) {
		t.Error("fields run into each other")
	}
}

func TestConnectionsToWhereNoEntryLeadsAnyMoreAreDropped(t *testing.T) {
	var p pools
	slow := stores.Transport{ConnectTimeout: time.Second}
	stays, goes, same := &stores.Bucket{}, &stores.Bucket{Transport: slow}, &stores.Bucket{Remote: "same"}
	kept, dropped := get(t, &p, stays, false), get(t, &p, goes, false)
	get(t, &p, same, true)
	known := func() (n int) {
		p.byEntry.Range(func(any, any) bool { n++; return true })
		return n
	}
	for range 2 {
		p.keep(map[*stores.Bucket]bool{stays: true})
		if get(t, &p, stays, false) != kept || len(p.routes) != 1 || known() != 1 || !dropped.(*pool).closed.Load() || kept.(*pool).closed.Load() {
			t.Errorf("%d routes, %d entries", len(p.routes), known())
		}
		// A request that began before the update brings nothing back.
		if late := get(t, &p, goes, false); !late.(*pool).closed.Load() || len(p.routes) != 1 || known() != 1 {
			t.Errorf("%d routes, %d entries", len(p.routes), known())
		}
		if get(t, &p, same, false) != kept || known() != 1 {
			t.Error("an entry that went is known again")
		}
	}
	replaced := &stores.Bucket{Remote: "replaced"} // by what is reached as before
	p.keep(map[*stores.Bucket]bool{replaced: true})
	if get(t, &p, replaced, false) != kept || kept.(*pool).closed.Load() {
		t.Error("an update that changes nothing about the connections has cut them")
	}
}
