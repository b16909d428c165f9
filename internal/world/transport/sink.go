package transport

import "net"

const (
	// writeBytesMax is what one system call writes at most: half as fast again
	// as 64 KiB at a time.
	writeBytesMax = 256 << 10
	// writePiecesMax is how many pieces of memory one system call gathers.
	writePiecesMax = 512
)

// sink writes pieces of memory to a connection in few, large writes. A TCP
// connection gathers them without a copy; for others, such as TLS, they are
// joined, so that they do not become a record each.
type sink struct {
	conn    net.Conn
	gathers bool
	wrote   func(bytes int) // told of each write

	bytes  int         // added since the last write
	pieces net.Buffers // if it gathers
	joined []byte      // if it does not
	rest   net.Buffers // what the write under way takes from
}

func newSink(conn net.Conn, wrote func(int)) *sink {
	_, gathers := conn.(*net.TCPConn)
	return &sink{conn: conn, gathers: gathers, wrote: wrote}
}

// add takes memory that stays as it is until the next flush. It writes when
// enough has gathered.
func (s *sink) add(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), writeBytesMax-s.bytes)
		if s.gathers {
			s.pieces = append(s.pieces, p[:n])
		} else {
			s.joined = append(s.joined, p[:n]...)
		}
		p, s.bytes = p[n:], s.bytes+n
		if s.bytes == writeBytesMax || len(s.pieces) == writePiecesMax {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush writes all that was added.
func (s *sink) flush() error {
	if s.bytes == 0 {
		return nil
	}
	err := s.write()
	s.wrote(s.bytes)
	clear(s.pieces)
	s.pieces, s.joined, s.bytes = s.pieces[:0], s.joined[:0], 0
	return err
}

func (s *sink) write() error {
	if !s.gathers {
		_, err := s.conn.Write(s.joined)
		return err
	}
	s.rest = s.pieces // WriteTo uses up what it is given
	_, err := s.rest.WriteTo(s.conn)
	return err
}
