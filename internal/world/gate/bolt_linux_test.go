package gate

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// segment is one of TCP as a filter sees it, with the header of IP before it.
func segment(from, to string, flags byte) (header, tcp []byte) {
	source, target := netip.MustParseAddr(from).AsSlice(), netip.MustParseAddr(to).AsSlice()
	if len(source) == 4 {
		header = append(append(append(header, 0x45), make([]byte, 11)...), source...)
	} else {
		header = append(append(append(header, 0x60), make([]byte, 7)...), source...)
	}
	tcp = make([]byte, 20)
	tcp[flagsAt] = flags
	return append(header, target...), tcp
}

// run does what the kernel does with a program; it panics if that goes astray.
func (f filter) run(header, tcp []byte) (verdict uint32) {
	var a, x uint32
	for i := 0; ; i++ {
		at, from := int(int32(f[i].K)), tcp
		if at < 0 {
			at, from = at-networkAt, header
		}
		jump := func(yes bool) {
			if yes {
				i += int(f[i].Jt)
			} else {
				i += int(f[i].Jf)
			}
		}
		switch f[i].Code {
		case unix.BPF_LD | unix.BPF_ABS | unix.BPF_B:
			a = uint32(from[at])
		case unix.BPF_LD | unix.BPF_ABS | unix.BPF_W:
			a = binary.BigEndian.Uint32(from[at:])
		case unix.BPF_MISC | unix.BPF_TAX:
			x = a
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= f[i].K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump(a == f[i].K)
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_X:
			jump(a == x)
		case unix.BPF_JMP | unix.BPF_JA:
			i += int(f[i].K)
		case unix.BPF_RET | unix.BPF_K:
			return f[i].K
		default:
			panic(f[i])
		}
	}
}

func TestFilterDropsWhoBeginsAConnection(t *testing.T) {
	var hosts []netip.Addr
	for _, host := range []string{"10.0.0.1", "2001:db8:0:1::7", "10.0.0.2", "fe80::1"} {
		hosts = append(hosts, HostNamed(host).address)
	}
	const four, six = "192.0.2.1", "2001:db8:0:9::1"
	for _, c := range []struct {
		from, to string
		flags    byte
		listed   bool
		own      bool // never dropped
	}{
		{"10.0.0.1", four, flagSYN, true, false},
		{"10.0.0.2", four, flagSYN, true, false},
		{"10.0.0.3", four, flagSYN, false, false},
		{"127.0.0.2", "127.0.0.1", flagSYN, false, false},
		{"2001:db8:0:1::99", six, flagSYN, true, false},
		{"fe80::2", six, flagSYN | 0x40, true, false},
		{"2001:db8:0:2::7", six, flagSYN, false, false},
		{"2001:db8:0:9::2", six, flagSYN, false, false},
		{"10.0.0.1", four, flagACK, true, true},
		{"10.0.0.3", four, flagSYN | flagACK, false, true},
		{"fe80::2", six, flagACK | 0x08, true, true},
		{four, four, flagSYN, false, true},
		{"127.0.0.1", "127.0.0.5", flagSYN, false, true},
		{six, six, flagSYN, false, true},
		{"::1", "::1", flagSYN, false, true},
	} {
		header, tcp := segment(c.from, c.to, c.flags)
		if passes := filterOf(hosts, false).run(header, tcp) != drop; passes != (c.own || !c.listed) {
			t.Errorf("those listed are dropped: of %+v it passes %v", c, passes)
		}
		if passes := filterOf(hosts, true).run(header, tcp) != drop; passes != (c.own || c.listed) {
			t.Errorf("all others are dropped: of %+v it passes %v", c, passes)
		}
	}
}

// listening returns a listener of a gate, with a clock that the test moves.
func listening(t *testing.T, d *door) *Listener {
	t.Helper()
	inner, err := ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inner.Close() })
	return d.Listen(inner, nil, func(net.Conn, uint64) {})
}

// dial connects from an address of loopback.
func dial(ctx context.Context, from string, to net.Addr) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	dialer.SetMultipathTCP(false)
	return dialer.DialContext(ctx, "tcp", to.String())
}

// come connects from an address, and is gone when the test ends.
func come(t *testing.T, from string, to net.Addr) {
	t.Helper()
	conn, err := dial(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
}

// accepted returns from where the next connection is that is let in.
func accepted(t *testing.T, l *Listener) string {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return addressOf(conn).String()
}

func addressOf(conn net.Conn) netip.Addr {
	return conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
}

// TestFloodIsDroppedByTheKernel has strangers come without end: then those who come
// are kept out before there is a connection, others come in as before, and in the end
// whoever was kept out comes in without doing anything about it.
func TestFloodIsDroppedByTheKernel(t *testing.T) {
	for _, kind := range []struct {
		name, strangers string
		flood           func(i int) string
	}{
		{"of one host", "127.0.1.1", func(int) string { return "127.0.1.1" }},
		{"of many", "127.0.9.9", func(i int) string { return netip.AddrFrom4([4]byte{127, 0, 1, byte(1 + i%32)}).String() }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			d := newDoor()
			d.Vouch(HostNamed("127.0.2.1"))
			l := listening(t, d)
			for i := range floodRefusals + 20 { // as many as wait without being accepted, and those of the burst
				come(t, kind.flood(i), l.Addr())
			}
			come(t, "127.0.2.1", l.Addr())
			for accepted(t, l) != "127.0.2.1" {
			}
			if l.bolt == nil {
				t.Skip("this kernel does not filter")
			}
			if !l.shut {
				t.Fatal("nobody is kept out")
			}
			d.now += time.Minute // there is room again
			in := make(chan error, 1)
			go func() {
				conn, err := dial(t.Context(), kind.strangers, l.Addr())
				if err == nil {
					err = conn.Close()
				}
				in <- err
			}()
			come(t, "127.0.2.1", l.Addr())
			for from := ""; from != kind.strangers; {
				if from = accepted(t, l); from == kind.strangers && l.shut {
					t.Fatal("a stranger came in who is kept out")
				}
			}
			if err := <-in; err != nil {
				t.Error(err)
			}
		})
	}
}
