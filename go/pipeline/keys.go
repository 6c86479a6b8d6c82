package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"osp/go/access"
	"osp/go/roles"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/session"
	"osp/go/sigv4"
	"osp/go/sts"
)

// A request for temporary keys is read before anybody knows who sends it. A short body
// takes no more than any head does. Of long ones there are few at a time, of which one
// address has a share. Either has little time: it mostly comes with the head. Nobody
// keeps a place while an issuer is asked.
const (
	shortKeyBody  = 8 << 10
	maxKeyBodies  = 256 // of up to sts.LongestBody
	keyBodiesEach = 32  // of one address; many clients may have one in common
	keyBodyTime   = 5 * time.Second
)

var (
	errTokenInClear = s3err.AccessDenied.Msg("Identity tokens are taken over https only: this one may have been read by others.")
	errKeysInClear  = s3err.AccessDenied.Msg("Temporary keys are handed out over https only: others could read them here.")
)

// protocol is one by which clients get temporary keys, at the same port as S3.
type protocol struct {
	mediaType string
	failure   func(e *s3err.Error, requestID string) []byte
	serve     func(*Pipeline, *exchange) error
}

var (
	stsProtocol       = &protocol{"text/xml", sts.ErrorXML, (*Pipeline).serveSTS}
	containerProtocol = &protocol{"application/json", sts.ErrorJSON, (*Pipeline).serveContainer}
)

// protocolOf tells these protocols from S3, for which it returns nil. Where the host
// names a bucket, everything is S3's.
func protocolOf(r *http.Request, virtual string) *protocol {
	switch {
	case virtual != "":
		return nil
	case sts.Speaks(r):
		return stsProtocol
	case sts.Contains(r):
		return containerProtocol
	}
	return nil
}

// serveSTS reads the whole request before it is known who sends it, because a signature
// covers the hash of the body.
func (p *Pipeline) serveSTS(x *exchange) error {
	since := time.Now()
	x.stores = p.stores.Load() // what an update takes away later ends what is given by it
	x.record.action = string(s3op.Unknown)
	from := sts.Caller{ClientIP: p.hosts.client(x.r), Since: since}
	body, err := p.keyBody(x, from.ClientIP)
	if err != nil {
		return err
	}
	request, err := sts.Read(x.r.Method, x.rawQuery(), body)
	if err != nil {
		return err
	}
	x.record.action = request.Action()
	if request.Signed() {
		if from.Principal, err = p.verifyForSTS(x, body); err != nil {
			x.record.badSignature = true
			return err
		}
		if request.GivesKeys() && x.inClear() {
			return errKeysInClear
		}
	} else if x.inClear() {
		return errTokenInClear
	}
	begun := p.recorder.clock()
	response, err := p.sts.Answer(x.r.Context(), request, from)
	p.recorder.waited(x, begun)
	if err != nil {
		return err
	}
	x.respondKeys(response.XML(x.requestID))
	return nil
}

// verifyForSTS is the same gate as S3's, for signatures of the other service. Nobody gets
// keys for a mere claim: they would be good where claims are not.
func (p *Pipeline) verifyForSTS(x *exchange, body []byte) (*access.Principal, error) {
	sum := sha256.Sum256(body)
	r := &sigv4.Request{
		Service: sigv4.STS, BodyHash: hex.EncodeToString(sum[:]), Method: x.r.Method, RawPath: "/", RawQuery: x.rawQuery(),
		Hosts: x.hosts, Header: x.r.Header, ContentLength: x.r.ContentLength, TransferEncoding: x.r.TransferEncoding,
	}
	if !sigv4.ClaimsSignature(r) {
		return nil, sts.MissingAuthenticationToken
	}
	signed, err := sigv4.Parse(r)
	if err != nil {
		return nil, err
	}
	x.record.accessKey, x.record.presigned = signed.AccessKey(), signed.Presigned()
	verified, in, err := p.verifySigned(x, signed)
	if err != nil {
		return nil, err
	}
	if !verified.Verified() {
		return nil, s3err.AccessDenied.Because(errors.New("with skip_signature_validation there are no temporary keys for signed requests"))
	}
	who := access.PrincipalOf(verified, in)
	return &who, nil
}

// grant is what roles allow, unless the identity token is older than a revocation of its
// subject.
func (p *Pipeline) grant(ctx context.Context, want *roles.Request) (session.Session, error) {
	in, err := p.roles.Assume(ctx, want)
	if err != nil || want.Identity == nil {
		return in, err
	}
	err = p.going.CheckIdentity(ctx, &in, want.Identity.Issued)
	if errors.Is(err, s3err.ExpiredToken) {
		err = sts.ExpiredToken.Msg(s3err.From(err).Message).Because(err)
	}
	return in, err
}

// serveContainer answers SDKs that ask as in a container of AWS's.
func (p *Pipeline) serveContainer(x *exchange) error {
	x.record.action = sts.ContainerAction
	if x.inClear() {
		return errTokenInClear
	}
	begun := p.recorder.clock()
	body, err := p.sts.Container(x.r.Context(), x.rawQuery(), x.r.Header["Authorization"], p.hosts.client(x.r))
	p.recorder.waited(x, begun)
	if err != nil {
		return err
	}
	x.respondKeys(body)
	return nil
}

// rawQuery is the query as on the wire.
func (x *exchange) rawQuery() string {
	_, query, _ := strings.Cut(x.r.RequestURI, "?")
	return query
}

// keyBody reads the body of somebody of whom no more than the address is known.
func (p *Pipeline) keyBody(x *exchange, address string) ([]byte, error) {
	if n := x.r.ContentLength; n < 0 || n > shortKeyBody {
		release, err := p.keyBodies.acquire(network(address))
		if err != nil {
			return nil, err
		}
		defer release()
	}
	return x.readShort(sts.LongestBody, p.keyBodyTime)
}

// readShort reads a body of a bounded length, in a bounded time.
func (x *exchange) readShort(most int64, within time.Duration) ([]byte, error) {
	if x.r.ContentLength > most {
		return nil, s3err.MaxMessageLengthExceeded
	}
	if x.r.Body == http.NoBody {
		return nil, nil
	}
	from := newClientBody(x)
	from.until = time.Now().Add(within)
	body, err := io.ReadAll(io.LimitReader(from, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > most {
		return nil, s3err.MaxMessageLengthExceeded
	}
	return body, nil
}

// respondKeys sends a body that may hold secrets.
func (x *exchange) respondKeys(body []byte) {
	header := x.w.Header()
	header.Set("Content-Type", x.protocol.mediaType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.sayWhich(header)
	x.w.WriteHeader(http.StatusOK)
	_, _ = x.w.Write(body) // the client may have left; there is nobody to tell
}
