package member_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
)

// TestPeers tells what becomes of peers files, right and wrong.
func TestPeers(t *testing.T) {
	var list member.List
	datadriven.RunTest(t, "testdata/peers", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "parse", "list":
			parsed, err := member.ParseList(strings.NewReader(d.Input), "peers.json")
			if d.Cmd == "list" {
				list = parsed
			}
			if err != nil {
				return err.Error()
			}
			return describe(parsed)
		case "named":
			return named(list, d.CmdArgs[0].Vals)
		case "find":
			return find(t, list, d.CmdArgs[0].Vals)
		}
		t.Fatalf("unknown command %q", d.Cmd)
		return ""
	})
}

func describe(list member.List) string {
	var text strings.Builder
	for i, m := range list {
		fmt.Fprintf(&text, "%d: name=%s host=%s port=%d key=%q dial=%s\n", i, m.Name, m.Host, m.Port, m.Key, m.Address())
	}
	return text.String()
}

func named(list member.List, names []string) string {
	var text strings.Builder
	for _, name := range names {
		if id, ok := list.Named(name); ok {
			fmt.Fprintf(&text, "%s: %d\n", name, id)
		} else {
			fmt.Fprintf(&text, "%s: nobody\n", name)
		}
	}
	return text.String()
}

func find(t *testing.T, list member.List, addresses []string) string {
	var text strings.Builder
	for _, address := range addresses {
		host, digits, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		port, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatal(err)
		}
		if id, err := list.Find(host, port); err != nil {
			fmt.Fprintf(&text, "%v\n", err)
		} else {
			fmt.Fprintf(&text, "%s: %d\n", address, id)
		}
	}
	return text.String()
}

// TestListWrittenIsListRead shows that whatever list is made of sound members,
// its JSON reads back as the same list and each member finds itself.
func TestListWrittenIsListRead(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		list := drawList(t)
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		read, err := member.ParseList(strings.NewReader(string(text)), "peers.json")
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(list, read); diff != "" {
			t.Fatal(diff)
		}
		for i, m := range list {
			if id, err := list.Find(m.Host, m.Port); err != nil || int(id) != i {
				t.Fatalf("member %d finds itself at %d: %v", i, id, err)
			}
			if id, ok := list.Named(m.Name); !ok || int(id) != i {
				t.Fatalf("%q names %d (%v), not %d", m.Name, id, ok, i)
			}
		}
	})
}

func drawList(t *rapid.T) member.List {
	host := rapid.SampledFrom([]string{"127.0.0.1", "::1", "fe80::1%eth0", "localhost", "a-b.c_d", "10.0.0.1"})
	name := rapid.StringMatching(`[a-zA-Z0-9äλ.:_-]{1,20}`)
	count := rapid.IntRange(1, 8).Draw(t, "members")
	names := rapid.SliceOfNDistinct(name, count, count, rapid.ID).Draw(t, "names")
	list := make(member.List, count)
	for i := range list {
		list[i] = member.Member{Name: names[i], Host: host.Draw(t, "host"), Port: 1000 + i, Key: rapid.String().Draw(t, "key")}
	}
	return list
}

func TestReadListNamesTheFile(t *testing.T) {
	folder := t.TempDir()
	missing := filepath.Join(folder, "missing.json")
	if _, err := member.ReadList(missing); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("a missing file gives %v", err)
	}
	path := filepath.Join(folder, "peers.json")
	if err := os.WriteFile(path, []byte("\xef\xbb\xbf[\"a:1\",\n\"b:0\"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := path + `:2:1: the port "0" is not a whole number from 1 to 65535`
	if _, err := member.ReadList(path); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestParseListHasLimits(t *testing.T) {
	var many strings.Builder
	many.WriteString("[")
	for i := range member.CountMax + 1 {
		fmt.Fprintf(&many, `"h%d:1",`, i)
	}
	for _, c := range []struct{ text, want string }{
		{strings.TrimSuffix(many.String(), ",") + "]", "this is one member too many: at most 4096 are possible"},
		{"[" + strings.Repeat(" ", 4<<20) + "]", "peers.json: a peers file has at most 4 MiB; is this one?"},
		{`["` + strings.Repeat("x", 300) + `:1"]`, "a host has at most 253 bytes, this one has 300"},
		{`[{"host": "h", "port": 1, "name": "` + strings.Repeat("x", 300) + `"}]`, "a name has at most 264 bytes, this one has 300"},
		{`["` + strings.Repeat("x", 300) + `"]`, `"` + strings.Repeat("x", 60) + `"… is not "host:port"`},
		{strings.Repeat("[", 20000), "exceeded max depth"},
	} {
		_, err := member.ParseList(strings.NewReader(c.text), "peers.json")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want it to say: %s", err, c.want)
		}
	}
	broken := errors.New("broken disk")
	if _, err := member.ParseList(iotest.ErrReader(broken), "peers.json"); !errors.Is(err, broken) {
		t.Errorf("a reader's error becomes %v", err)
	}
}

func TestLetterNamesThePlace(t *testing.T) {
	list := make(member.List, 100)
	for i := range list {
		if id, ok := list.Named(member.Letter(member.ID(i))); !ok || int(id) != i {
			t.Errorf("the letter of place %d is %q, which names %d (%v)", i, member.Letter(member.ID(i)), id, ok)
		}
	}
}

// FuzzParseList: whatever the bytes, there is either a sound list or an error
// that begins with the file's name.
func FuzzParseList(f *testing.F) {
	for _, seed := range []string{
		`["127.0.0.1:3000", "[::1]:3000:0", {"name": "c", "host": "h", "port": 3002, "key": "k"}]`,
		`[{"name": "a", "name": "b", "host": null, "port": 1e3}]`, `["a:1",]`, `[`, ``, `{}`, "\xef\xbb\xbf[]", `["\ud800:1"]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := member.ParseList(strings.NewReader(string(data)), "peers.json")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "peers.json:") || list != nil {
				t.Fatalf("list %v, error %v", list, err)
			}
			return
		}
		checkSound(t, list)
	})
}

func checkSound(t *testing.T, list member.List) {
	if len(list) == 0 || len(list) > member.CountMax {
		t.Fatalf("%d members", len(list))
	}
	for i, m := range list {
		id, err := list.Find(m.Host, m.Port)
		byName, ok := list.Named(m.Name)
		if err != nil || !ok || int(id) != i || int(byName) != i {
			t.Fatalf("member %d %+v is found at %d (%v) and named at %d (%v)", i, m, id, err, byName, ok)
		}
		if err := member.CheckName(m.Name); err != nil {
			t.Fatal(err)
		}
		if _, _, err := net.SplitHostPort(m.Address()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPageOfThePeersFileIsTrue reads the examples of the documentation.
func TestPageOfThePeersFileIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../../docs/peers.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```(\\S+)\n(.*?)```")
	wrong, seen := "", map[string]int{}
	for _, match := range block.FindAllStringSubmatch(string(page), -1) {
		kind, text := match[1], match[2]
		seen[kind]++
		switch kind {
		case "json":
			if _, err := member.ParseList(strings.NewReader(text), "peers.json"); err != nil {
				t.Error(err)
			}
		case "peers-wrong":
			wrong = text
		case "peers-errors":
			_, err := member.ParseList(strings.NewReader(wrong), "peers.json")
			if err == nil || err.Error() != strings.TrimSpace(text) {
				t.Errorf("the page says\n%s\nand the program\n%v", text, err)
			}
		}
	}
	if seen["json"] != 1 || seen["peers-errors"] != 2 {
		t.Errorf("blocks on the page: %v", seen)
	}
}

// TestOtherFormsOfPeersFilesAreNamed, with what to write instead.
func TestOtherFormsOfPeersFilesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:3000\n127.0.0.1:3001\n":                    `this is a list of lines: write a JSON array, ["127.0.0.1:3000","127.0.0.1:3001"]`,
		"# members\nlocalhost:3000 # a\r\n\r\n[::1]:3001\r\n": `["localhost:3000","[::1]:3001"]`,
		"- a:1\n- b:2\n":                                `["a:1","b:2"]`,
		"\"a:1\",\n\"b:2\"\n":                           `["a:1","b:2"]`,
		"http://a:1\nhttp://b:2/\n":                     `["a:1","b:2"]`,
		strings.Repeat("a:1\n", 20):                     `"a:1","..."]`,
		`["http://127.0.0.1:3000", "b:1"]`:              `peers.json:1:2: "http://127.0.0.1:3000": members speak a protocol of their own: write "127.0.0.1:3000", without a scheme`,
		`["tcp://[::1]:3000/x"]`:                        `write "[::1]:3000", without a scheme`,
		`[{"host":"https://a","port":1}]`:               `the host "https://a" has a scheme: write "a"`,
		"\xff\xfe[\x00\"\x00a\x00:\x001\x00\"\x00]\x00": "UTF-16: save it as UTF-8",
		"\x00[\x00\"\x00a\x00:\x001\x00\"\x00]":         "UTF-16: save it as UTF-8",
		"here are\nthe members:\n":                      "invalid character",
	} {
		_, err := member.ParseList(strings.NewReader(text), "peers.json")
		if err == nil || !strings.HasPrefix(err.Error(), "peers.json:") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}
