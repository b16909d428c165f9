package member

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const listExample = `a JSON array such as ["127.0.0.1:3000", "127.0.0.1:3001"]`

// listParser reads one peers file and gathers its mistakes. Positions are
// byte offsets into data until they are told.
type listParser struct {
	name      string
	data      []byte
	list      List
	starts    []int // where each element of list starts
	mistakes  []error
	untold    int            // mistakes beyond mistakesMax
	names     map[string]int // name to its first member
	addresses map[string]int // normalAddress to its first member
}

func newListParser(data []byte, name string) *listParser {
	return &listParser{name: name, data: data, names: map[string]int{}, addresses: map[string]int{}}
}

func (p *listParser) result() (List, error) {
	if p.untold > 0 {
		p.mistakes = append(p.mistakes, fmt.Errorf("%s: and %d mistakes more", p.name, p.untold))
	}
	if err := errors.Join(p.mistakes...); err != nil {
		return nil, err
	}
	return p.list, nil
}

func (p *listParser) mistake(at int, format string, args ...any) {
	if len(p.mistakes) == mistakesMax {
		p.untold++
		return
	}
	line, column := p.position(at)
	p.mistakes = append(p.mistakes, fmt.Errorf("%s:%d:%d: %s", p.name, line, column, fmt.Sprintf(format, args...)))
}

// position returns line and column, both from 1; a column is a character.
func (p *listParser) position(at int) (line, column int) {
	before := p.data[:min(at, len(p.data))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

// parse checks first that the file is JSON at all, since only there are the
// offsets of syntax errors reliable; from then on the decoder cannot fail.
func (p *listParser) parse() {
	if len(bytes.TrimSpace(p.data)) == 0 {
		p.mistake(0, "the file is empty: write %s", listExample)
		return
	}
	var whole json.RawMessage
	if err := json.Unmarshal(p.data, &whole); err != nil {
		if list := listOfLines(p.data); list != nil {
			p.mistake(0, "this is a list of lines: write a JSON array, %s", list)
			return
		}
		p.syntax(err)
		return
	}
	dec := json.NewDecoder(bytes.NewReader(p.data))
	if token, err := dec.Token(); err != nil || token != json.Delim('[') {
		p.mistake(0, "the file holds %s: write %s", kindOf(whole), listExample)
		return
	}
	p.elements(dec)
	if len(p.list) == 0 && len(p.mistakes) == 0 {
		p.mistake(0, "the list has no member: write %s", listExample)
	}
}

func (p *listParser) syntax(err error) {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		p.mistake(0, "%v: write %s", err, listExample)
		return
	}
	at := max(int(syntax.Offset)-1, 0)
	rest := strings.TrimSpace(string(p.data[min(at, len(p.data)):]))
	advice := "write " + listExample
	switch {
	case strings.HasPrefix(syntax.Error(), "unexpected end"):
		at, advice = len(p.data), `close each " and { and [ that is open`
	case strings.Contains(syntax.Error(), "after top-level value"):
		advice = "nothing may follow the list"
	case strings.Contains(syntax.Error(), "after array element"), strings.Contains(syntax.Error(), "after object key:value"):
		advice = "is there a comma missing before it?"
	case strings.HasPrefix(rest, "]") || strings.HasPrefix(rest, "}"):
		advice = "is there a comma after the last element?"
	}
	p.mistake(at, "%v: %s", syntax, advice)
}

// listOfLines returns the JSON array that a text stands for whose lines are
// addresses, as other programs want them, and nil if it is no such text.
func listOfLines(data []byte) []byte {
	var list []string
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.Trim(strings.TrimPrefix(strings.TrimSpace(line), "- "), `", `+"\t")
		if line == "" {
			continue
		}
		line, _ = withoutScheme(line)
		host, port, ok := splitHost(line)
		if _, err := CheckHost(host); !ok || err != nil || strings.Trim(port, "0123456789") != "" {
			return nil
		}
		list = append(list, line)
	}
	if shown := min(len(list), listedMax); shown < len(list) {
		list = append(list[:shown], "...")
	}
	text, err := json.Marshal(list)
	if len(list) == 0 || err != nil {
		return nil
	}
	return text
}

// withoutScheme takes what makes a URL of an address off it: http://a:1/ is
// a:1. It reports whether there was anything.
func withoutScheme(text string) (address string, had bool) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || strings.ContainsAny(scheme, ":/") {
		return text, false
	}
	address, _, _ = strings.Cut(rest, "/")
	return address, true
}

func (p *listParser) elements(dec *json.Decoder) {
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			p.syntax(err)
			return
		}
		at := int(dec.InputOffset()) - len(raw)
		if len(p.list) == CountMax {
			p.mistake(at, "this is one member too many: at most %d are possible", CountMax)
			return
		}
		p.element(raw, at)
	}
}

func (p *listParser) element(raw json.RawMessage, at int) {
	var m Member
	var text string
	switch {
	case raw[0] == '{':
		m = p.object(raw, at)
	case json.Unmarshal(raw, &text) == nil && raw[0] == '"':
		m = p.address(text, at)
	default:
		p.mistake(at, `a member is "host:port" or {"host": …, "port": …}, not %s`, kindOf(raw))
		return
	}
	p.add(m, at)
}

// add puts m into the list. What is missing in m was reported already.
func (p *listParser) add(m Member, at int) {
	place := len(p.list)
	p.list, p.starts = append(p.list, m), append(p.starts, at)
	if m.Host != "" && m.Port != 0 {
		if first, taken := p.addresses[m.normalAddress()]; taken {
			p.mistake(at, "the address %s is that of member %d too (line %d): give each member its own", m.Address(), first+1, p.lineOf(first))
			return
		}
		p.addresses[m.normalAddress()] = place
	}
	if m.Name == "" {
		return
	}
	if first, taken := p.names[m.Name]; taken {
		p.mistake(at, "the name %q is that of member %d too (line %d): give each member its own", m.Name, first+1, p.lineOf(first))
		return
	}
	p.names[m.Name] = place
}

func (p *listParser) lineOf(place int) int {
	line, _ := p.position(p.starts[place])
	return line
}

// address understands "host:port" and chatterbox's "host:port:0".
func (p *listParser) address(text string, at int) Member {
	if address, had := withoutScheme(text); had {
		p.mistake(at, `%s: members speak a protocol of their own: write %s, without a scheme`, quote(text), quote(address))
		return Member{}
	}
	host, rest, ok := splitHost(text)
	port, endpoint, three := strings.Cut(rest, ":")
	switch {
	case !ok && strings.Count(text, ":") > 2:
		p.mistake(at, `%s is not "host:port": write an IPv6 address in brackets, as in "[::1]:3000"`, quote(text))
	case !ok:
		p.mistake(at, `%s is not "host:port": write for example "127.0.0.1:3000"`, quote(text))
	case three && endpoint != "0":
		p.mistake(at, `%s: a third part after the port may only be 0: write "host:port"`, quote(text))
	default:
		var m Member
		if host, err := CheckHost(host); err != nil {
			p.mistake(at, "%v", err)
		} else {
			m.Host = host
		}
		m.Port = p.port(port, at)
		return named(m)
	}
	return Member{}
}

// splitHost splits behind the host, which may have brackets.
func splitHost(text string) (host, rest string, ok bool) {
	if strings.HasPrefix(text, "[") {
		host, rest, ok = strings.Cut(text, "]:")
		return host + "]", rest, ok
	}
	if strings.Count(text, ":") > 2 {
		return "", "", false
	}
	return strings.Cut(text, ":")
}

func (p *listParser) port(text string, at int) int {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		p.mistake(at, "the port %s is not a whole number from 1 to 65535", quote(text))
	}
	return int(port)
}

// named returns m, with its default name if it has none and its address is known.
func named(m Member) Member {
	if m.Name == "" && m.Host != "" && m.Port != 0 {
		m.Name = m.Address()
	}
	return m
}

// quote quotes what may be anything; of a long text, the beginning.
func quote(text string) string {
	if len(text) > quoteMax {
		return strconv.Quote(text[:quoteMax]) + "…"
	}
	return strconv.Quote(text)
}

// kindOf returns in words what kind of JSON value raw is.
func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}
