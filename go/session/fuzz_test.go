package session

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// issued are keys of alice and bob that the key "k1" has sealed, and of alice by "k0".
// They are written down so that what is sealed today opens tomorrow; and so that all
// processes that fuzz agree about them.
var issued = struct{ alice, bob, old writtenKeys }{
	alice: writtenKeys{"ASIAOPP625SBK5L2VPCC", "IMoYRhUs1gZP4f0gg5wtTjaPVfgvxb7XbnrM90ft",
		"osp-session.1.AQJrMZpaoVGWLmn4pLcx6Ivm0jFYyPeIUVA5U6M2tf1gx5nLv6zywcEAdLJmIsFffyTXhQZ8zqSScDwAVpekQ_0v5zoZhcic9wOuN8agdAm_-81_uiW5AAyiJNRMFFyl5oFwqTqXP1F4Gxr_HPUVl9zji45YljI3IcUcd9fiO3fiRdSeJ2HsMDd3p2XFVe83ddp-YaYl5_qpuyvaxtT0ln2P_uiF19IKh0a2eyAErtW4qvOFgFdiw6g2OxL2iXIFFVU-J6TM2pXNdoQU6Y-I4V1YN6RQOaaOk07f88SjxF-oCfKgpIqmb47UDzcj42oJZzBugujxK0UejmbopfP74IFcRq-Qq3IKuQUNWBy8VqMxRYRvshb9RhdTXcqSvwNNq4LlpX6srzeNxVo"},
	bob: writtenKeys{"ASIAFEAGYB774JHYE5XG", "Qr0KMJyRNvuemiDv/1gRZI5tEdeaPs5/uVnpbg+S",
		"osp-session.1.AQJrMTyhk6oFCRJkuRvcBi-xFOp6G50fpucfR_TpdtkINROtxIm7NJih3sLrArCBzHU3n7fcofngNFwBag1QfJGKEJPm7bf4-EzUjb9Pcx4"},
	old: writtenKeys{"ASIALBXPUT7ZM3CZ5I3Z", "",
		"osp-session.1.AQJrMHKEbTcJ0gIORx47DWA3LR5L-PN6DI-jcQO60GnxZhCvbOw0pE9ELnyrSbzqUwl-Bl_ao9BLR8MimaRlGzzvCHiqxmgZvrCetVxWzA-efBz0uHHpuC8Q1dzivmvIhIRvM70_FWAFnPndX4lzaJv83yVsY6VYh16xyKP5tf5B5LuKUcOkTY-g4GrgSSF_Cmf1J1GDzSYNbFRf5WrHNLiHXwvycypY1Rkw-8hrnNzgJ1rkBB72SnrVI9WKAj6Pbfewj9mIIAmGBxzCXimVnwGx9YXBd3n8bkKoXL9fFPbO-_nSEZJFnvD-LmmxfW68o0Edwvvn86UmhoKfjPzVWspYhQL1ag5BZf6EPtYQinxzQxokDj3v6YuAo1tegqgm4pL-HfS8vQEicKQ"},
}

type writtenKeys struct{ accessKey, secret, token string }

func TestWhatWasIssuedByThisVersionStaysOpen(t *testing.T) {
	i := New(ringOf(t, "k1"), at(noon))
	for token, keys := range map[string]writtenKeys{"alice": issued.alice, "bob": issued.bob} {
		s, key, err := i.Open(keys.accessKey, keys.token)
		if err != nil || key.Reveal() != keys.secret || s.Token != token {
			t.Errorf("%s: %+v, %v", token, s, err)
		}
	}
}

// FuzzOpen: nothing opens that was not issued, for nobody else, by no other key.
func FuzzOpen(f *testing.F) {
	i := New(ringOf(f, "k1"), at(noon))
	a, b := issued.alice, issued.bob
	f.Add(a.accessKey, a.token)
	f.Add(a.accessKey, b.token)
	f.Add(issued.old.accessKey, issued.old.token)
	f.Add(b.accessKey, b.token[:len(b.token)-1])
	f.Add(b.accessKey, strings.Replace(b.token, version, "2.", 1))
	f.Add("", form+version)
	f.Fuzz(func(t *testing.T, accessKey, token string) {
		wanted := accessKey == a.accessKey && token == a.token || accessKey == b.accessKey && token == b.token
		if _, _, err := i.Open(accessKey, token); (err == nil) != wanted || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("issued: %v, opened: %v", wanted, err)
		}
	})
}

// FuzzDecode: whatever a replica of another version has sealed is read as one session
// or not at all.
func FuzzDecode(f *testing.F) {
	s := alice()
	f.Add(string(s.appendFields(nil)))
	s.Policies = nil
	f.Add(string(s.appendFields(nil)))
	f.Add("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80")
	f.Fuzz(func(t *testing.T, plain string) {
		read, err := (&decoder{rest: plain}).session()
		if err != nil {
			return
		}
		again, err := (&decoder{rest: string(read.appendFields(nil))}).session()
		if err != nil || !reflect.DeepEqual(read, again) {
			t.Errorf("%+v is read again as %+v, %v", read, again, err)
		}
	})
}
