//go:build unix

package transport

import (
	"errors"
	"net"
	"syscall"
)

// Dialer makes connections to peers. Their local ports do not keep a member
// from listening there: a port that the system has lent to an outgoing
// connection is in use for everybody unless both sides allow it to be shared.
func Dialer() *net.Dialer {
	return &net.Dialer{Control: func(_, _ string, conn syscall.RawConn) error {
		var option error
		err := conn.Control(func(fd uintptr) {
			option = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
		})
		return errors.Join(err, option)
	}}
}
