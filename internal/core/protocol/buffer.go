package protocol

import "sync/atomic"

// Buffer is memory that several batches lie in, with a count of references.
// The reader or writer that fills it holds one, each batch in it one, each
// write in flight one. At the last release it goes back to its pool.
type Buffer struct {
	Bytes []byte
	refs  atomic.Int32
	pool  *Pool
}

// Retain adds a reference. A nil buffer is fine: the collector has it.
func (b *Buffer) Retain() {
	if b != nil {
		b.refs.Add(1)
	}
}

// Release gives a reference back.
func (b *Buffer) Release() {
	if b == nil {
		return
	}
	switch refs := b.refs.Add(-1); {
	case refs == 0:
		b.pool.put(b)
	case refs < 0:
		panic("protocol: buffer released more often than retained")
	}
}

// Pool is a bounded free list of buffers of one size. It is safe for
// concurrent use.
type Pool struct {
	free chan *Buffer
	size int
}

// NewPool makes a pool that keeps up to keep free buffers of size bytes each.
func NewPool(size, keep int) *Pool {
	return &Pool{free: make(chan *Buffer, keep), size: size}
}

// Get returns a buffer with one reference, the caller's.
func (p *Pool) Get() *Buffer {
	var b *Buffer
	select {
	case b = <-p.free:
	default:
		b = &Buffer{Bytes: make([]byte, p.size), pool: p}
	}
	b.refs.Store(1)
	return b
}

func (p *Pool) put(b *Buffer) {
	if p == nil {
		return
	}
	select {
	case p.free <- b:
	default: // enough are free: the collector takes it
	}
}
