package memnet

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Conn is one end of a connection. It is safe for concurrent use.
type Conn struct {
	in, out       *stream
	local, remote net.Addr

	mu     sync.Mutex // guards abrupt
	abrupt bool
}

// Read returns what has arrived; io.EOF after the other end's Close or
// CloseWrite, ECONNRESET after its reset.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.failed("read", err)
}

// Write waits until all of p is in the buffer.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.failed("write", err)
}

func (c *Conn) failed(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &net.OpError{Op: op, Net: "mem", Source: c.local, Addr: c.remote, Err: err}
}

// Close ends both directions. What was written still arrives, unless
// SetLinger(0) was called: then the other end is reset.
func (c *Conn) Close() error {
	c.mu.Lock()
	abrupt := c.abrupt
	c.mu.Unlock()
	c.out.finish(abrupt)
	c.in.abandon()
	return nil
}

// CloseWrite ends the outgoing direction; the other end reads io.EOF.
func (c *Conn) CloseWrite() error {
	c.out.finish(false)
	return nil
}

// SetLinger with 0 makes Close a reset; other values have no effect.
func (c *Conn) SetLinger(seconds int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abrupt = seconds == 0
	return nil
}

// LocalAddr returns the host of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the host of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *Conn) SetDeadline(at time.Time) error {
	c.in.setDeadline(&c.in.reader, at)
	c.out.setDeadline(&c.out.writer, at)
	return nil
}

// SetReadDeadline lets reads fail with os.ErrDeadlineExceeded from then on.
func (c *Conn) SetReadDeadline(at time.Time) error {
	c.in.setDeadline(&c.in.reader, at)
	return nil
}

// SetWriteDeadline lets writes fail with os.ErrDeadlineExceeded from then on.
func (c *Conn) SetWriteDeadline(at time.Time) error {
	c.out.setDeadline(&c.out.writer, at)
	return nil
}
