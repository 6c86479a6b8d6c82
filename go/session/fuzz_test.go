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
	alice: writtenKeys{"ASIA2FACW4LS6SXTH645", "b6Jqjauh37qqCHiqydaJQJGZALI6N8n9JuvasEqx",
		"osp-session.1.AQJrMR4OjUnm1OKzh6NUAw4ur7g38IGfnWhMl8mby0bWFKmeQBy_ISF1J9Zyb5r-ftJZuJFRAAsnZjoQJL30kJW3YWPpHY-1pVW0-Qa8C1tJuu8XbTY0-k1sD7EBWQVah2UiaxigyjYYzrz4BJMEQDgLMiGBDSSafKYVB3GZD9XyMisxmcpN1nBzf9614RoyWnmyYjrC4Nzu-D-BWmaatg5yHJFRZCBsQw3B8CxPsktKRkb-9myuPW4VDa85XL0OhBjOO-hXQr9unikY2vJAXnBIAay6LkdA2J1NSbX8zGSCjY-mQdpmYysAgQuQUbPGPy1Q_TRklE4l9TEoxO7bVKEf8JjxN9nzyOml_09U3kjLyK4QDuOn_kQnFFfqOcVTgp9pAxCFxn-NLEytx8AJSTQIcptaXV8"},
	bob: writtenKeys{"ASIAMFPV5EFSTEVWMWXP", "kAK2Cizvxx4N6ngO+7YOTqFbe1egNLBHXit7sj34",
		"osp-session.1.AQJrMbN3ilOkf85PzJXtJnqfNy4P_AX8TJfq6dq-CAj7yg3-e-RmM-kYU-AwCuBDoPE0WQCmtDWdLt07YHxL-nw8UrRujXozMbSXwjoI53KWRD4bG9y-0PjJHZ4"},
	old: writtenKeys{"ASIARKTQLEEJR5V66GUN", "",
		"osp-session.1.AQJrMFnKe7wqnyQ9cC1Kb1K8iM0Hvw3HvV6dn7mn0pOKwkOVDkVPCdFufL50Yj2yaaWd3GTrF8ztUdKhD5BYht1hQZrhyhT8BgzfAMRMej9OGl3gDUGlZ3cotJ7TJ7VAxgYAaBoKODKWcLJm5YqA-pVN84szDcn9xp16UTw-7GAzd89usD5aKqff_ZVRqV2N0hsgSFUB7_4MrF5RbCd2h1Kj2rv46lsVfOuMQ2LGJ09OrzVslHPsQpnTM8HJqevCLbv6nZ7oGYaCb3OX_572z-yPAAd_4tlmKx9h9TTfBtdadOr95Vc5ZzWIhsTPM7U749dsu_hF14XQ8RapjrF5eUcrNApjifB3vSxjURScT5lNGkX4LCEhQPzcGKd01JZkgAeQWsX4xY9mNwQl4YwW8oOCFbrrbxU"},
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
