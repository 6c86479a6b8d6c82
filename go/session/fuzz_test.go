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
	alice: writtenKeys{"ASIAEJP6PZTHY6U2L7CJ", "lZEP7jGJmfdX/TjZArAOh2dYzMtWgiiPqHZgmAZw",
		"osp-session.1.AQJrMTox1fNSBn2t9EZaVNmqOywUJRG9yLyMhPlk89TUQGFn0S9Sb5nBYX0dkEtoRPevLthPmPvXUViHXdObk0mJz5f2ILUuFpbGMi9HxHSJkitJBD19W3eUPL_uhEZTpK94ZXGBpKXH_U_bBdEiLRNNg2jPQCqj-c3giAMYtrr7FVqnxg7vRdVOGIJ-EA2pqTo8TbCye7UEBrHGDDdZJ_eD-ym56hqkm40mve5SSDxfcToOlSgh0c9HWV0dRbAKvF-hJNXGbZ4vSXcoS2FCkGlWCcj4t1W0iO83MtG5wgUl8qOK_Zx68Im3dJT0CPydLSS2BovXRmLVXNp5_md6XBS1FtqRfZML7XP74RCff1UEdhkBcSWXXXUjXmzOtgKKePt3Ople3vqiy3pMLLawMvPja1ewpK7I"},
	bob: writtenKeys{"ASIA7B45F2JLIAH6MJ3T", "a/YYAACMTSzFOFw0vsChwX7A1cLs6V1H9l0ZVEG0",
		"osp-session.1.AQJrMabQguA_2sdfQi9j4MsYZUJoat00H4KNhVV0BNWrVQHL0MgqBN4XwH34zcuYGN6jbyS-VN0Bys2GIPj1_HLq924YWh7AGutiLRl-FmGjkY4fZsG2TL9Yqjxf"},
	old: writtenKeys{"ASIAJ2QAJ5SBACYLBK4B", "",
		"osp-session.1.AQJrMOb1u5z5qhVYSmX1VJynNHvUID65VrcOb8b9ek3Grb8Oru9EdWmuV4m7rguMlrkrRxeTrRTsb-wOriPtaA5Q9VlEfKSbRvrtHtKIQWyoSXkOI3ixQwk1vCqPHmPcDNnwL49Y2uSQNc40S_TJ7MbD53Emnp8sUZj0oBmfaQHELp4NRgb4p5JZSzXx4LIXMeMOHOsHIFmeRVae_6F9SwXQnZVgmevCA1fLF07ECxWpa2hwxdqv8aJmZ2IlZqXQVewMGw0rxbmszuucWCJxsmi9Pgd47NriP0HaDOnUTsvgGehXE9H7i9xwNbN-zvaxBlz1ZtgbMET8H-lWAlTuXvowWOn7eODN_jVycWGzNRPSoTirS_sz43mROLcvgdFLB9PkjsLAQo1Xr3gILzUiVLBWTHPBD05O"},
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
