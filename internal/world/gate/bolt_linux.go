package gate

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// socketFilter is a program of the classic Berkeley Packet Filter (McCanne and
// Jacobson, 1993) at a listening socket, which Linux runs for each segment that
// comes to it; no privilege is needed (socket(7), SO_ATTACH_FILTER). Sockets that
// are accepted inherit it, but what it drops are only segments that begin a
// connection.
type socketFilter struct {
	*net.TCPListener
}

func newBolt(listener net.Listener) bolt {
	if tcp, ok := listener.(*net.TCPListener); ok {
		return socketFilter{tcp}
	}
	return nil
}

func (s socketFilter) shut(hosts []netip.Addr, others bool) error {
	program := filterOf(hosts, others)
	return s.set(func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
}

func (s socketFilter) open() error {
	return s.set(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) })
}

func (s socketFilter) set(option func(fd int) error) error {
	conn, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) { failed = option(int(fd)) })
	return errors.Join(err, failed)
}

// Where things lie in a segment of TCP, which is what a filter sees, and in the
// header of IP before it (RFC 9293, 791 and 8200).
const (
	flagsAt      = 13
	flagSYN      = 0x02
	flagACK      = 0x10
	networkAt    = -0x100000 // SKF_NET_OFF: from here on the header of IP
	versionAt    = networkAt
	sourceAt     = networkAt + 12
	targetAt     = networkAt + 16
	siteSourceAt = networkAt + 8 // of IPv6
	siteTargetAt = networkAt + 24

	passAll = 0xffffffff // bytes of the segment that are kept
	drop    = 0
)

// filter is a program that is being written.
type filter []unix.SockFilter

// filterOf returns the program that drops what these hosts send to connect, or what
// all others send. This machine is neither.
func filterOf(hosts []netip.Addr, others bool) filter {
	listed, rest := uint32(drop), uint32(passAll)
	if others {
		listed, rest = rest, listed
	}
	var f filter
	f.load(unix.BPF_B, flagsAt)
	f.add(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, flagSYN|flagACK, 0, 0)
	f.unless(flagSYN, passAll)
	four, six := filterOfFour(hosts, listed, rest), filterOfSix(hosts, listed, rest)
	f.load(unix.BPF_B, versionAt)
	f.add(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, 0xf0, 0, 0)
	f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0x60, 0, 1)
	f.add(unix.BPF_JMP|unix.BPF_JA, uint32(len(four)), 0, 0)
	return append(append(f, four...), six...)
}

func filterOfFour(hosts []netip.Addr, listed, rest uint32) (f filter) {
	f.load(unix.BPF_W, targetAt)
	f.add(unix.BPF_MISC|unix.BPF_TAX, 0, 0, 0)
	f.load(unix.BPF_W, sourceAt)
	f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_X, 0, 0, 1)
	f.end(passAll) // from the same address
	f.when(0x7f000001, passAll)
	for _, host := range hosts {
		if host.Is4() {
			f.when(wordOf(host, 0), listed)
		}
	}
	f.end(rest)
	return f
}

func filterOfSix(hosts []netip.Addr, listed, rest uint32) (f filter) {
	const words = 4
	for i := range words { // from the same address, as ::1 is: each word jumps behind the end where it differs
		f.load(unix.BPF_W, siteTargetAt+4*i)
		f.add(unix.BPF_MISC|unix.BPF_TAX, 0, 0, 0)
		f.load(unix.BPF_W, siteSourceAt+4*i)
		f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_X, 0, 0, uint8(4*(words-1-i)+1))
	}
	f.end(passAll)
	for _, host := range hosts {
		if host.Is6() {
			f.load(unix.BPF_W, siteSourceAt)
			f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, wordOf(host, 0), 0, 3)
			f.load(unix.BPF_W, siteSourceAt+4)
			f.when(wordOf(host, 4), listed)
		}
	}
	f.end(rest)
	return f
}

func wordOf(host netip.Addr, at int) uint32 { return binary.BigEndian.Uint32(host.AsSlice()[at:]) }

func (f *filter) add(code uint16, k uint32, whenTrue, whenFalse uint8) {
	*f = append(*f, unix.SockFilter{Code: code, Jt: whenTrue, Jf: whenFalse, K: k})
}

func (f *filter) load(size uint16, at int) {
	f.add(unix.BPF_LD|unix.BPF_ABS|size, uint32(int32(at)), 0, 0)
}
func (f *filter) end(verdict uint32) { f.add(unix.BPF_RET|unix.BPF_K, verdict, 0, 0) }

// when ends with a verdict if what was loaded is a value.
func (f *filter) when(value, verdict uint32) {
	f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, value, 0, 1)
	f.end(verdict)
}

// unless ends with a verdict if what was loaded is another value.
func (f *filter) unless(value, verdict uint32) {
	f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, value, 1, 0)
	f.end(verdict)
}
