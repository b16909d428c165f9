package member

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
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
	p := newListParser(data, name)
	p.parse()
	return p.result()
}

// Find gives the member that listens on host and port. Addresses are equal
// when they are the same IP address however it is written, or the same name
// but for case; names are not looked up.
func (l List) Find(host string, port int) (ID, error) {
	wanted := Member{Host: host, Port: port}
	for i, m := range l {
		if m.addressKey() == wanted.addressKey() {
			return ID(i), nil
		}
	}
	return 0, fmt.Errorf("no member of the list has the address %s; the list has %s: choose one of these, or add it to the list at every member",
		wanted.Address(), l)
}

// Named gives the member that a person calls name: by its name in the list,
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

// Addresses gives host:port of each member, by its place.
func (l List) Addresses() []string {
	addresses := make([]string, len(l))
	for i, m := range l {
		addresses[i] = m.Address()
	}
	return addresses
}

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

// String gives the name, and the address if the name does not tell it.
func (m Member) String() string {
	if m.Name == m.Address() || m.Name == "" {
		return m.Address()
	}
	return m.Name + " (" + m.Address() + ")"
}

// addressKey is equal for two members exactly if their addresses are.
func (m Member) addressKey() string {
	host := strings.ToLower(m.Host)
	if address, err := netip.ParseAddr(host); err == nil {
		host = address.Unmap().String()
	}
	return fmt.Sprintf("%s %d", host, m.Port)
}
