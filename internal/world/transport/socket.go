package transport

import (
	"net"

	"chatterbox/internal/world/gate"
)

// abort closes a connection so that nothing of it lingers: what was not sent
// yet is dropped and the peer is reset at once. Layers such as TLS are passed
// by, for their farewell could block.
func abort(conn net.Conn) {
	if layer, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = layer.NetConn()
	}
	gate.Reset(conn)
}

// closeWrite ends the outgoing direction after all that was written, or the
// whole connection where it has no directions.
func closeWrite(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // an error means that the connection is gone
		return
	}
	_ = conn.Close() // likewise
}
