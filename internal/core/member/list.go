package member

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"chatterbox/internal/core/text"
)

const (
	// listBytesMax bounds a peers file: 1 KiB for each of [CountMax] members.
	listBytesMax = 4 << 20
	// mistakesMax is how many mistakes of a peers file are told at once.
	mistakesMax = 20
	// quoteMax is how many bytes of a wrong text an error quotes.
	quoteMax = 60
	// listedMax is how many members an error names.
	listedMax = 16
	portMax   = 65535
)

// ReadList reads the peers file at path; see [ParseList].
func ReadList(path string) (List, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("member: read peers file: %w; write it as %s, the same at every member", err, listExample)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	return ParseList(file, path)
}

// ParseList reads a peers file: a JSON array whose elements are "host:port",
// "host:port:0" or {"name", "host", "port", "key"}. A member without a name is
// called host:port. The error tells all mistakes, a line each, as
// name:line:column; name is only used for that.
func ParseList(r io.Reader, name string) (List, error) {
	data, err := io.ReadAll(io.LimitReader(r, listBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("member: read peers file %s: %w", name, err)
	}
	if len(data) > listBytesMax {
		return nil, fmt.Errorf("%s: a peers file has at most %d MiB; is this one?", name, listBytesMax>>20)
	}
	data, err = text.Clean(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := newListParser(data, name)
	p.parse()
	return p.result()
}

// Check returns all that is wrong with a list that was not parsed, up to a few
// mistakes, a line each: hosts that cannot be dialed, ports, names, and what two
// members share.
func (l List) Check() error {
	var wrong []error
	addresses, names := make(map[string]int), make(map[string]int)
	for i, m := range l {
		wrong = append(wrong, l.checkOne(i, addresses, names)...)
		if m.Name != "" {
			names[m.Name] = i
		}
		addresses[m.normalAddress()] = i
		if len(wrong) >= mistakesMax {
			wrong = append(wrong[:mistakesMax], errors.New("and perhaps more"))
			break
		}
	}
	return errors.Join(wrong...)
}

// checkOne returns what is wrong with a member, by itself and beside those before.
func (l List) checkOne(i int, addresses, names map[string]int) (wrong []error) {
	m := l[i]
	mistake := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("member %d: "+format, append([]any{i + 1}, args...)...))
	}
	if _, err := CheckHost(m.Host); err != nil {
		mistake("%w", err)
	}
	if m.Port < 1 || m.Port > portMax {
		mistake("the port %d is not from 1 to %d", m.Port, portMax)
	}
	if err := CheckName(m.Name); m.Name != "" && err != nil {
		mistake("%w", err)
	}
	if first, taken := addresses[m.normalAddress()]; taken {
		mistake("the address %s is that of member %d too: give each member its own", m.Address(), first+1)
	}
	if first, taken := names[m.Name]; taken {
		mistake("the name %q is that of member %d too: give each member its own", m.Name, first+1)
	}
	return wrong
}

// Find returns the member that peers dial at host and port. Addresses are equal
// when they are the same IP address however it is written, or the same name
// but for case; names are not looked up.
func (l List) Find(host string, port int) (ID, error) {
	wanted := Member{Host: host, Port: port}
	for i, m := range l {
		if m.normalAddress() == wanted.normalAddress() {
			return ID(i), nil
		}
	}
	return 0, fmt.Errorf("no member of the list has the address %s; the list has %s: choose one of these, or add it to the list at every member",
		wanted.Address(), l)
}

// Named returns the member that a person calls name: by its name in the list,
// else by a letter, a to z, or a number, from 1, that tells its place.
func (l List) Named(name string) (ID, bool) {
	for i, m := range l {
		if m.Name == name {
			return ID(i), true
		}
	}
	place, ok := placeOf(name)
	return ID(place), ok && place < len(l)
}

// Addresses returns host:port of each member, by its place.
func (l List) Addresses() []string {
	addresses := make([]string, len(l))
	for i, m := range l {
		addresses[i] = m.Address()
	}
	return addresses
}

// Called returns what the members are called by their users: by their names, and
// where these are addresses by the letters of their places, or by m27 and so on.
func (l List) Called() []string {
	names := make([]string, len(l))
	for place, m := range l {
		switch {
		case m.Name != "" && !strings.ContainsAny(m.Name, ":[]"): // not the address in place of one
			names[place] = m.Name
		case place < letters:
			names[place] = Letter(ID(place))
		default:
			names[place] = fmt.Sprintf("m%d", place+1)
		}
	}
	return names
}

// letters is how many members are called by letters.
const letters = 26

// String names the members for an error message; of a long list, the first.
func (l List) String() string {
	var text strings.Builder
	for i, m := range l {
		if i == listedMax {
			fmt.Fprintf(&text, " and %d more", len(l)-listedMax)
			break
		}
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(m.String())
	}
	return text.String()
}

// String returns the name, and the address if the name does not tell it.
func (m Member) String() string {
	if m.Name == m.Address() || m.Name == "" {
		return m.Address()
	}
	return m.Name + " (" + m.Address() + ")"
}
