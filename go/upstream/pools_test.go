package upstream

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"osp/go/config"
	"osp/go/s3err"
	"osp/go/secret"
)

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestAnEntryMayHaveAnAuthorityOfItsOwn(t *testing.T) {
	s := newStore(t, httptest.NewTLSServer)
	ca := pemOf("CERTIFICATE", s.Certificate().Raw)
	b := s.bucket(func(b *config.Bucket) { b.CA, b.Host = ca, "127.0.0.1" })
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
	lax := func(b *config.Bucket) { b.VerifyTLS = false }
	if _, err := send(t, &Call{Bucket: s.bucket(lax)}); !errors.Is(err, s3err.BadGateway) {
		t.Errorf("without one: %v", err)
	}
	cert, key := selfSigned(t)
	if _, err := send(t, &Call{Bucket: s.bucket(func(b *config.Bucket) {
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
	b := s.bucket(func(b *config.Bucket) { b.AnswerTimeout = 50 * time.Millisecond })
	if _, err := send(t, &Call{Bucket: b}); !errors.Is(err, s3err.GatewayTimeout) {
		t.Errorf("got %v", err)
	}
	begun := time.Now()
	if _, err := send(t, &Call{Bucket: b, Patient: true}); !errors.Is(err, s3err.GatewayTimeout) || time.Since(begun) < patience*b.AnswerTimeout {
		t.Errorf("got %v after %v", err, time.Since(begun))
	}
}

func TestTheEnvironmentsProxyCountsOnlyWhenAsked(t *testing.T) {
	for _, trust := range []bool{false, true} {
		transport, err := newTransport(profile{Transport: config.Transport{TrustEnv: trust}})
		if err != nil {
			t.Fatal(err)
		}
		if _, proxied := transport.(*proxied); proxied != trust {
			t.Errorf("trust_env %v: the transport is %T", trust, transport)
		}
	}
}

func TestThroughAProxyABrokenConnectionIsReset(t *testing.T) {
	end := make(chan error, 1)
	s := newScripted(t, func(_ int, c *scriptedConn) {
		_, err := io.Copy(io.Discard, c)
		end <- err
	})
	c, err := throughProxy(dialer{}, nil, 0).DialContext(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if err := <-end; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it ended with %v", err)
	}
}

func TestStoresThatAreReachedAlikeShareTheirConnections(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	var p pools
	one, err1 := p.get(&Call{Bucket: s.bucket(nil)})
	two, err2 := p.get(&Call{Bucket: s.bucket(func(b *config.Bucket) { b.Remote = "other" })})
	three, err3 := p.get(&Call{Bucket: s.bucket(nil), Patient: true})
	if one != two || one == three || errors.Join(err1, err2, err3) != nil {
		t.Error("the pools are not what they should be")
	}
}
