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
	alice: writtenKeys{"ASIA5SLDGI6JMEQYXYI7", "E7u5XMdFMS7TtkkUx6LIttQkUfPMnibL67RH3AlO",
		"osp-session.1.AQJrMUn4vWSkpYbVcS5g4qjVGsSKNnZrKKjXyHw8WgfKpJIjoMbtHmWRQxHKBL4kLMfuKXp_yWNGkaYo2i9887WtUwZhWw-otenShafrhGSR7L4ZCyybhQ3izXY5ALfdeuIftySqziPcAFa20WKq_6GHCP3Cp-yAMsh_fvhr_cZ6QuvMefsIN7aFkeDNDF77AGdtH0aaBOi4flrLSKHiMFNqvR7-OoXZ7ullB4QRKUgeG8JNScoeKgfuwoiT2fbH8kNADQ-YNqXmKUc1PNQ4I2pXFMgjLLMm1NAsSZzDmQBFZvdAiTxJaxUqcxHthM5zQeGvGoth0BkwOsjzS-gDixfnkuXHwb7XhJN2HzpNEaPeWwSb1fTNK8i8w882Lf3xIzWIjX8Hftdw4szV"},
	bob: writtenKeys{"ASIAZR2BIY2NRNJNGQBO", "i0/1rOpFPBLynoaqpzUTUhsNmo1ZnljwyHDdf7Pw",
		"osp-session.1.AQJrMUUDsW4FH8U_U6e8ZnOYaPfpHXlI7vNfu9anrvM9jFBd2By8eczJjakmBhk91w2j2m7R3ivixL1CJhl2iVj1GSGB7VIkzAJEi-ak5GRh"},
	old: writtenKeys{"ASIAIDS6YZ7LEIEA5WAH", "",
		"osp-session.1.AQJrMIavz1q4qoC5NaPvh2RtmDxu8jWq7D-nZRHQxbF0SlsgSeUgWLuqDBPw3KGYjd505MuiqnbP4r-7woxfhUQ4nf4b0hnXT0TAHkn6CMhj1OD51LEZJ-ZQoQpnEsfmC7vQ6oxeYcKqDMric8OhDtfdrAqYRjJEK8B2tnRmZNuCoD6h5q-tgifi6r9byZXJSJxqNqa1cIuFNUUhTZwlcGmtTkIRYMZpI0B7O_F9NNqFu40xZzPryWB_N9Xn53gMN3WXw0e30nD4DrgGrgn-JFu06UemzxDeOlOuB7sNePggz5QxLQK1zgMu7vCsFY5RwLK3seH9h57KgG-iDpdBeVv9ZCMWn1ItbDzkfjg5-Q_ySJcFMi2AEyHlA4pewge45hmyEr6qlmEl2cdQ"},
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
