//go:build !unix

package transport

import "net"

// Dialer makes connections to peers.
func Dialer() *net.Dialer { return new(net.Dialer) }
