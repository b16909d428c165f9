package transport

import (
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

const (
	// readBytesMax is how much one system call reads: what is decoded and
	// summed next is then still in the cache.
	readBytesMax = 64 << 10
	// roomBytesMin is the room in a buffer below which the next one is begun;
	// reading into less would need too many system calls.
	roomBytesMin = 16 << 10
)

// cutter cuts what a connection brings into frames, in the buffers that it was
// read into. A frame that lies across the end of a buffer is moved to the next
// one; a frame longer than a buffer gets memory of its own, which grows only
// as its bytes arrive.
type cutter struct {
	pool     *protocol.Pool
	frameMax int

	buffer *protocol.Buffer // being filled; one reference is the cutter's
	start  int              // frames up to here are cut
	end    int              // bytes up to here are filled

	// Batches of sparse traffic are moved here, side by side: a few of them
	// would else keep buffers that are full of rows and beats.
	dense    *protocol.Buffer // one reference is the cutter's; may be nil
	denseEnd int
	bytes    int // lately cut
	batches  int // of these, bytes of batches

	roomBytes int // roomBytesMin, or less where buffers are small
}

func newCutter(pool *protocol.Pool, frameMax int) *cutter {
	buffer := pool.Get()
	return &cutter{pool: pool, frameMax: frameMax, buffer: buffer, roomBytes: min(roomBytesMin, len(buffer.Bytes)/4)}
}

// space returns the memory to read into next, after next has cut all that is
// complete. It panics after an error of next.
func (c *cutter) space() []byte {
	need, err := wire.FrameBytes(c.buffer.Bytes[c.start:c.end], c.frameMax)
	if err != nil {
		panic("transport: reading on after a bad frame: " + err.Error())
	}
	if c.full(need) {
		c.turn(need)
	}
	return c.buffer.Bytes[c.end:min(len(c.buffer.Bytes), c.end+readBytesMax)]
}

// full reports whether the frame that has begun, of need bytes or 0 if that is not
// known yet, should go on in the next buffer.
func (c *cutter) full(need int) bool {
	room := len(c.buffer.Bytes) - c.end
	switch {
	case need == 0:
		return room < c.roomBytes
	case need <= len(c.buffer.Bytes)-c.start:
		return false
	default:
		return c.start > 0 || room == 0
	}
}

// turn begins the next buffer with what is left of this one.
func (c *cutter) turn(need int) {
	rest := c.buffer.Bytes[c.start:c.end]
	next := c.pool.Get()
	if need > len(next.Bytes) {
		size := min(need, 2*max(len(next.Bytes), len(rest)))
		next.Release()
		next = &protocol.Buffer{Bytes: make([]byte, size)}
		next.Retain()
	}
	copy(next.Bytes, rest)
	c.buffer.Release()
	c.buffer, c.start, c.end = next, 0, len(rest)
	c.bytes, c.batches = c.bytes/2, c.batches/2
}

// filled says that n bytes were read into the space.
func (c *cutter) filled(n int) { c.end += n }

// next cuts the next frame; kind 0 without an error means that it is not
// complete yet. The body is valid until the next call of space.
func (c *cutter) next() (kind wire.Kind, body []byte, err error) {
	unread := c.buffer.Bytes[c.start:c.end]
	kind, body, rest, err := wire.CutFrame(unread, c.frameMax)
	if err != nil || kind == 0 {
		return 0, nil, err
	}
	c.start += len(unread) - len(rest)
	c.bytes += len(unread) - len(rest)
	return kind, body, nil
}

// hold gives each batch of the last frame a reference to the memory that it
// lies in. While most of the traffic is not batches it moves them elsewhere.
func (c *cutter) hold(batches []protocol.Batch) {
	for i := range batches {
		c.batches += len(batches[i].Bytes)
	}
	sparse := 2*c.batches <= c.bytes
	for i := range batches {
		b := &batches[i]
		b.Buffer = c.buffer
		if sparse && c.makeDense(len(b.Bytes)) {
			c.move(b)
		}
		b.Buffer.Retain()
	}
}

// move moves a batch to the dense buffer, which has room for it.
func (c *cutter) move(b *protocol.Batch) {
	start := c.denseEnd
	c.denseEnd += copy(c.dense.Bytes[start:], b.Bytes)
	b.Bytes, b.Buffer = c.dense.Bytes[start:c.denseEnd:c.denseEnd], c.dense
}

// makeDense makes room for a batch; false if it would take much of a buffer.
func (c *cutter) makeDense(bytes int) bool {
	if bytes > len(c.buffer.Bytes)/4 {
		return false
	}
	if c.dense == nil || c.denseEnd+bytes > len(c.dense.Bytes) {
		c.dense.Release()
		c.dense, c.denseEnd = c.pool.Get(), 0
	}
	return bytes <= len(c.dense.Bytes)
}

// close gives the cutter's references back.
func (c *cutter) close() {
	c.buffer.Release()
	c.dense.Release()
	c.buffer, c.dense = nil, nil
}
