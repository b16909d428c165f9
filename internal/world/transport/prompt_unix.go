//go:build unix

package transport

import (
	"net"
	"syscall"
)

// prompt writes to a connection what can be written at once, without ever
// waiting. It must not be used while somebody else writes.
type prompt struct {
	raw     syscall.RawConn
	bytes   []byte
	written int
	attempt func(fd uintptr) bool // made once, for each call would be an allocation
}

// newPrompt returns nil for a connection that cannot do that, such as TLS.
func newPrompt(conn net.Conn) *prompt {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil // it is closed already
	}
	p := &prompt{raw: raw}
	p.attempt = func(fd uintptr) bool {
		n, err := syscall.Write(int(fd), p.bytes)
		if err == nil {
			p.written = n
		}
		return true // whatever it was: the connection's writer finds out
	}
	return p
}

// write returns how many bytes were written, 0 after any error.
func (p *prompt) write(bytes []byte) int {
	p.bytes, p.written = bytes, 0
	_ = p.raw.Write(p.attempt) // an error means that the connection is closed
	p.bytes = nil
	return p.written
}
