package pipeline

import (
	"errors"
	"testing"

	"osp/go/callbacks"
	"osp/go/s3err"
)

func TestARestoreNamesNoOtherBucket(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	const plain = `<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Days>2</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>`
	if a := r.Do(r.Signed("POST", "/photos/k?restore", plain)); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	if got := r.Store.Only(t); string(got.Body) != plain {
		t.Errorf("the store saw %s", got.Body)
	}
	for body, want := range map[string]*s3err.Error{
		`<RestoreRequest><Type>SELECT</Type><OutputLocation><S3><BucketName>other</BucketName></S3></OutputLocation></RestoreRequest>`: s3err.NotImplemented,
		`<RestoreRequest><x:OutputLocation xmlns:x="y"/></RestoreRequest>`:                                                             s3err.NotImplemented,
		`<RestoreRequest><Days>1</Days>`:                                        s3err.MalformedXML,
		`<RestoreRequest><Days>1<Type>SELECT</Type></Days></RestoreRequest>`:    s3err.MalformedXML,
		`<!DOCTYPE x [<!ENTITY x "<Type>SELECT</Type>">]><RestoreRequest/>`:     s3err.MalformedXML,
		`<?xml-stylesheet href="x"?><RestoreRequest/>`:                          s3err.MalformedXML,
		`<RestoreRequest/><RestoreRequest><Type>SELECT</Type></RestoreRequest>`: s3err.MalformedXML,
		`<?xml version="1.0" encoding="UTF-16"?><RestoreRequest/>`:              s3err.MalformedXML,
	} {
		if err := checkRestore([]byte(body)); !errors.Is(err, want) {
			t.Errorf("%s: %v", body, err)
		}
	}
	a := r.Do(r.Signed("POST", "/photos/k?restore", "<RestoreRequest><Type>SELECT</Type></RestoreRequest>"))
	if a.StatusCode != 501 || len(r.Store.Requests()) != 1 {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
}
