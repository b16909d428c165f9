package member

import (
	"strings"
	"testing"
)

// TestAddressesHaveOneNormalForm writes the same addresses in many ways: they
// are the same member, the same list, and no list may have two of them.
func TestAddressesHaveOneNormalForm(t *testing.T) {
	for _, same := range [][]string{
		{"127.0.0.1", "[127.0.0.1]", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]", "::FFFF:7f00:1", "0:0:0:0:0:ffff:127.0.0.1"},
		{"::1", "[::1]", "0:0:0:0:0:0:0:1", "[0000::0001]"},
		{"localhost", "Localhost", "LOCALHOST", "localhost.", "LocalHost."},
		{"127.0.1.1", "::ffff:127.0.1.1"},
		{"fe80::1%eth0", "FE80::1%eth0", "[fe80:0::1%eth0]"},
		{"2001:db8::a", "2001:0DB8:0:0:0:0:0:A"},
		{"host-1.example.org", "HOST-1.Example.ORG."},
	} {
		list := List{{Name: "a", Host: same[0], Port: 7}}
		for _, host := range same {
			other := List{{Name: "b", Host: host, Port: 7}}
			if other.Hash() != list.Hash() {
				t.Errorf("%s and %s make different lists", same[0], host)
			}
			if id, err := list.Find(host, 7); err != nil || id != 0 {
				t.Errorf("%s is not found as %s: %v", same[0], host, err)
			}
			if _, err := list.Find(host, 8); err == nil {
				t.Errorf("%s is found on another port", host)
			}
			text := strings.NewReplacer("A", jsonAddress(same[0]), "B", jsonAddress(host)).Replace(`[{"name":"x","host":"A","port":7},{"name":"y","host":"B","port":7}]`)
			if _, err := ParseList(strings.NewReader(text), "p"); err == nil || !strings.Contains(err.Error(), "is that of member 1 too") {
				t.Errorf("one list has %s and %s: %v", same[0], host, err)
			}
		}
	}
	different := []string{"127.0.0.1", "127.0.1.1", "localhost", "::1", "localhost.localdomain", "fe80::1%eth0", "fe80::1%eth1"}
	for i, host := range different {
		for _, other := range different[:i] {
			if (List{{Host: host, Port: 7}}).Hash() == (List{{Host: other, Port: 7}}).Hash() {
				t.Errorf("%s and %s make the same list", host, other)
			}
		}
	}
}

func jsonAddress(host string) string { return strings.ReplaceAll(host, `"`, `\"`) }

// TestHashOfOrdinaryListsIsAsBefore holds the hash that data folders have in
// their headers since the first release.
func TestHashOfOrdinaryListsIsAsBefore(t *testing.T) {
	list := List{{Host: "127.0.0.1", Port: 3000}, {Host: "node-2.example.org", Port: 3001, Key: "k"}, {Host: "::1", Port: 3002}}
	const before = 0x3f3440c0afa4a325 // computed by the release that had no normal form
	if list.Hash() != list.HashAsWritten() || list.Hash() != before {
		t.Errorf("hash %#x, as written %#x, want %#x", list.Hash(), list.HashAsWritten(), uint64(before))
	}
	odd := List{{Host: "Localhost", Port: 3000}, {Host: "::ffff:127.0.0.1", Port: 3001}}
	if odd.Hash() == odd.HashAsWritten() {
		t.Error("a list in other than its normal form has the same hash in both")
	}
}

func TestHostsThatNobodyCanDialAreRefused(t *testing.T) {
	for host, want := range map[string]string{
		"0.0.0.0":             "every address of a machine",
		"[::]":                "--listen ::",
		"::ffff:0.0.0.0":      "every address of a machine",
		"127.0.0.1:3000":      `write the host "127.0.0.1" and the port "3000" apart`,
		"localhost:3000":      `write the host "localhost" and the port "3000" apart`,
		"[::1]:3000":          `write the host "::1" and the port "3000" apart`,
		"::1:x":               "is not an IPv6 address",
		"127.1":               "write all four numbers",
		"127.0.0.01":          "write all four numbers",
		"256.0.0.1":           "write all four numbers",
		"12":                  "write all four numbers",
		"http://localhost":    "has a scheme",
		"":                    "the host is empty",
		"a b":                 `the character ' '`,
		"a..b":                "a dot too many",
		".":                   "a dot too many",
		"[localhost":          "is not an IPv6 address",
		"fe80::1%a b":         `the character ' '`,
		"host.example.org.7.": "write all four numbers",
	} {
		if got, err := CheckHost(host); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is taken as %q, or the error does not say %q: %v", host, got, want, err)
		}
	}
	for host, want := range map[string]string{"[::1]": "::1", "127.0.1.1": "127.0.1.1", "a-1.b2": "a-1.b2", "4x": "4x", "localhost.": "localhost."} {
		if got, err := CheckHost(host); err != nil || got != want {
			t.Errorf("%q is taken as %q: %v", host, got, err)
		}
	}
}

func TestListenAddressesAreUnderstood(t *testing.T) {
	own := Member{Host: "[::1]", Port: 3000}
	for text, want := range map[string]struct {
		host string
		port int
	}{
		"":                 {"::1", 3000},
		"0.0.0.0":          {"0.0.0.0", 3000},
		"::":               {"::", 3000},
		"[::]":             {"::", 3000},
		"[::]:4000":        {"::", 4000},
		":4000":            {"", 4000},
		"127.0.0.1:4000":   {"127.0.0.1", 4000},
		"eth0.example":     {"eth0.example", 3000},
		"localhost:4000":   {"localhost", 4000},
		"fe80::1%eth0":     {"fe80::1%eth0", 3000},
		"[fe80::1%eth0]:1": {"fe80::1%eth0", 1},
	} {
		host, port, err := ListenAddress(text, own)
		if err != nil || host != want.host || port != want.port {
			t.Errorf("%q is taken as %q and %d: %v", text, host, port, err)
		}
	}
	for text, want := range map[string]string{
		"localhost:":      `the port ""`,
		"localhost:0":     `the port "0"`,
		"localhost:70000": `the port "70000"`,
		":http":           `the port "http"`,
		"127.1:80":        "all four numbers",
		"a b":             `the character ' '`,
		"1:2:3":           `the character ':'`,
	} {
		if _, _, err := ListenAddress(text, own); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error does not say %s: %v", text, want, err)
		}
	}
}

func TestListsThatWereNotParsedAreChecked(t *testing.T) {
	good := List{{Name: "a", Host: "127.0.0.1", Port: 1}, {Host: "[::1]", Port: 1}, {Host: "h", Port: 65535}}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	err := List{
		{}, {Name: "a b", Host: "0.0.0.0", Port: 70000}, {Name: "x", Host: "Localhost", Port: 1}, {Name: "x", Host: "localhost.", Port: 1},
	}.Check()
	for _, want := range []string{
		"member 1: the host is empty", "member 1: the port 0 is not from 1 to 65535", "member 2: the host \"0.0.0.0\" is every address",
		"member 2: the port 70000", "member 2: the name \"a b\"", "member 4: the address localhost.:1 is that of member 3 too",
		"member 4: the name \"x\" is that of member 3 too",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if err := make(List, CountMax).Check(); err == nil || strings.Count(err.Error(), "\n") != mistakesMax {
		t.Errorf("many mistakes: %v", err)
	}
}

// FuzzAddress holds that what is a host stays one in its normal form, which has
// no other normal form, and that it can be listened on as well.
func FuzzAddress(f *testing.F) {
	for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]", "Localhost.", "0.0.0.0", "fe80::1%Eth0", "127.1", "::1:3000", "a..", "[", "%", ":80"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _, _ = ListenAddress(text, Member{Host: "h", Port: 1})
		host, err := CheckHost(text)
		if err != nil {
			return
		}
		normal := normalForm(host)
		if normalForm(normal) != normal || normalForm(text) != normal {
			t.Errorf("%q has the normal forms %q, %q and %q", text, normal, normalForm(normal), normalForm(text))
		}
		if _, err := CheckHost(normal); err != nil {
			t.Errorf("%q is a host, but not in its normal form %q: %v", text, normal, err)
		}
		listen, port, err := ListenAddress(host, Member{Host: "h", Port: 1})
		if err != nil || normalForm(listen) != normal || port != 1 {
			t.Errorf("%q listens on %q and %d: %v", text, listen, port, err)
		}
	})
}
