package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLoopbackIsJudgedByWhatIsBound gives names that stand for other addresses
// than they seem to.
func TestLoopbackIsJudgedByWhatIsBound(t *testing.T) {
	for _, c := range []struct {
		host  string
		found []string // what the name stands for
		bound string   // "" if it must be refused
	}{
		{"127.0.0.1", nil, "127.0.0.1"},
		{"::ffff:127.0.0.1", nil, "127.0.0.1"},
		{"127.0.1.1", nil, "127.0.1.1"},
		{"myhost", []string{"127.0.1.1"}, "127.0.1.1"},
		{"localhost", []string{"127.0.0.1"}, "127.0.0.1"},
		{"both", []string{"2001:db8::1", "127.0.0.1"}, "127.0.0.1"},
		{"localhost", []string{"0.0.0.0"}, ""},
		{"localhost", []string{"::"}, ""},
		{"localhost", []string{"::ffff:0.0.0.0"}, ""},
		{"myhost", []string{"192.0.2.1"}, ""},
		{"192.0.2.1", nil, ""},
		{"::ffff:192.0.2.1", nil, ""},
		{"0.0.0.0", nil, ""},
		{"::", nil, ""},
		{"", nil, ""},
	} {
		listener, err := Listen(t.Context(), ListenConfig{Host: c.host, Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return always(c.found...)("")
		}})
		if c.bound == "" {
			if !errors.Is(err, ErrOpen) || len(c.found) > 0 && !strings.Contains(err.Error(), c.host+":0, which is ") {
				t.Errorf("%q, which is %v: %v", c.host, c.found, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q, which is %v: %v", c.host, c.found, err)
			continue
		}
		if host, _, _ := net.SplitHostPort(listener.Addr().String()); host != c.bound {
			t.Errorf("%q, which is %v, listens on %s", c.host, c.found, host)
		}
		_ = listener.Close()
	}
}

func TestOpenAddressesNeedToBeAllowed(t *testing.T) {
	for _, host := range []string{"", "0.0.0.0"} {
		listener, err := Listen(t.Context(), ListenConfig{Host: host, Open: true})
		if err != nil {
			t.Fatal(err)
		}
		if address := listener.Addr().(*net.TCPAddr); !address.IP.IsUnspecified() {
			t.Errorf("%q listens on %s", host, address)
		}
		_ = listener.Close()
	}
	_, err := Listen(t.Context(), ListenConfig{Host: "192.0.2.1", Open: true})
	if err == nil || !strings.Contains(err.Error(), "an address of this machine?") {
		t.Errorf("the address of another machine: %v", err)
	}
	_, err = Listen(t.Context(), ListenConfig{Host: "nowhere.invalid", Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "nowhere.invalid", IsNotFound: true}
	}})
	if err == nil || !strings.Contains(err.Error(), "nowhere.invalid: the name is not known here") {
		t.Errorf("a name that nobody knows: %v", err)
	}
}

// lent connects somewhere with a dialer, and returns the connection and its
// local port, which is thereby in use.
func lent(t *testing.T, dialer *net.Dialer) (conn net.Conn, port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	if conn, err = dialer.DialContext(t.Context(), "tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { abort(conn) })
	return conn, conn.LocalAddr().(*net.TCPAddr).Port
}

// sharers counts the sockets of this machine that have a local port.
func sharers(t *testing.T, port int) int {
	t.Helper()
	count := 0
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue // of a version of IP that is not there
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) > 1 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				count++
			}
		}
	}
	return count
}

// TestPortsOfOwnConnectionsCanBeListenedOn, of which nobody else has one too:
// connections of other programs may share the port, and would keep it.
func TestPortsOfOwnConnectionsCanBeListenedOn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what shares a port differs from system to system")
	}
	for range 20 {
		_, port := lent(t, Dialer())
		before := sharers(t, port)
		listener, err := Listen(t.Context(), ListenConfig{Host: "127.0.0.1", Port: port})
		if err != nil && max(before, sharers(t, port)) > 1 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		conn, err := Dialer().Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		abort(conn)
		_ = listener.Close()
	}
}

func TestWhoHasThePortIsSaid(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port := lent(t, new(net.Dialer))
	for what, c := range map[string]struct {
		port int
		want []string
	}{
		"a program":              {listener.Addr().(*net.TCPAddr).Port, []string{PortInUse, "end the program that listens there", "in the peers file"}},
		"an outgoing connection": {port, []string{PortInUse, "nobody listens there", "connection has it"}},
	} {
		_, err := Listen(t.Context(), ListenConfig{Host: "127.0.0.1", Port: c.port})
		for _, want := range append(c.want, "127.0.0.1:"+strconv.Itoa(c.port)) {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s has the port; the error does not say %q: %v", what, want, err)
			}
		}
	}
}

func TestPortThatIsGivenUpIsTaken(t *testing.T) {
	conn, port := lent(t, new(net.Dialer))
	timer := time.AfterFunc(2*listenEvery, func() { abort(conn) })
	defer timer.Stop()
	listener, err := Listen(t.Context(), ListenConfig{Host: "127.0.0.1", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
}
