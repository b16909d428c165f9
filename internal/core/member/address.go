package member

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// normalAddress is equal for two members exactly if their addresses are:
// host:port, the host in its normal form.
func (m Member) normalAddress() string {
	return net.JoinHostPort(normalForm(m.Host), strconv.Itoa(m.Port))
}

// normalForm returns the one way to write a host: an IP address without
// brackets, as short as it gets, one of IPv4 never as one of IPv6; a name in
// small letters, without the dot at its end.
func normalForm(host string) string {
	host = strings.ToLower(unbracketed(host))
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Unmap().String()
	}
	return strings.TrimSuffix(host, ".")
}

// unbracketed returns a host without the brackets of an IPv6 address.
func unbracketed(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
		return strings.TrimSuffix(inner, "]")
	}
	return host
}

// CheckHost checks a host name or an IP address, which may have brackets, and
// gives it without them. Every address of a machine at once, such as 0.0.0.0,
// is none that peers can dial.
func CheckHost(host string) (string, error) {
	host = unbracketed(host)
	address, err := netip.ParseAddr(host)
	switch {
	case err == nil && address.Unmap().IsUnspecified():
		return "", fmt.Errorf("the host %s is every address of a machine, and none that peers can dial: "+
			"write the one at which they reach this member, and give it --listen %s", quote(host), host)
	case err == nil:
		return host, CheckName(host) // a zone may hold anything
	case strings.ContainsAny(host, ":[]"):
		return "", checkColons(host)
	}
	return host, checkHostName(host)
}

// ListenAddress understands where a member is to listen: "host:port", a host
// alone with the member's port, or ":port" for every address of the machine,
// whose host is "". An empty text is the member's own address.
func ListenAddress(text string, own Member) (host string, port int, err error) {
	if text == "" {
		return unbracketed(own.Host), own.Port, nil
	}
	host, port = unbracketed(text), own.Port
	if _, err := netip.ParseAddr(host); err == nil {
		return host, port, nil
	}
	if name, number, err := net.SplitHostPort(text); err == nil {
		wanted, err := strconv.ParseUint(number, 10, 16)
		if err != nil || wanted == 0 {
			return "", 0, fmt.Errorf("the port %s is not a whole number from 1 to 65535", quote(number))
		}
		host, port = name, int(wanted)
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return host, port, nil
	}
	return host, port, checkHostName(host)
}

// checkColons returns what is wrong with a host that has colons but is no address.
func checkColons(host string) error {
	if strings.Contains(host, "://") {
		return fmt.Errorf("the host %s has a scheme: write a host name or an IP address alone", quote(host))
	}
	if name, port, err := net.SplitHostPort(host); err == nil && name != "" {
		return fmt.Errorf("the host %s has a port: write the host %s and the port %s apart", quote(host), quote(name), quote(port))
	}
	return fmt.Errorf("the host %s is not an IPv6 address: write for example [::1]", quote(host))
}

// checkHostName returns what is wrong with a host that is not an IP address.
func checkHostName(host string) error {
	switch {
	case host == "":
		return errors.New("the host is empty: write for example 127.0.0.1 or localhost")
	case len(host) > hostBytesMax:
		return fmt.Errorf("a host has at most %d bytes, this one has %d", hostBytesMax, len(host))
	}
	for _, r := range host {
		if !isHostRune(r) {
			return fmt.Errorf("the host %q has the character %q in it: write a host name or an IP address, without a scheme", host, r)
		}
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	if slices.Contains(labels, "") {
		return fmt.Errorf("the host %q has a dot too many: write a host name or an IP address", host)
	}
	if _, err := strconv.Atoi(labels[len(labels)-1]); err == nil {
		return fmt.Errorf("the host %q ends in a number but is not an IP address: write all four numbers, without zeros in front, as in 127.0.0.1", host)
	}
	return nil
}

func isHostRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_", r)
}
