package protocol

import (
	"sync"
	"sync/atomic"
)

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
// concurrent use. The buffer that came back last, which is still warm, goes first.
type Pool struct {
	size int
	keep int

	mu   sync.Mutex // guards free
	free []*Buffer
}

// NewPool makes a pool that keeps up to keep free buffers of size bytes each.
func NewPool(size, keep int) *Pool { return &Pool{size: size, keep: keep} }

// Get returns a buffer with one reference, the caller's.
func (p *Pool) Get() *Buffer {
	b := p.take()
	if b == nil {
		b = &Buffer{Bytes: make([]byte, p.size), pool: p}
	}
	b.refs.Store(1)
	return b
}

// take returns a free buffer, nil if there is none.
func (p *Pool) take() *Buffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.free) - 1
	if last < 0 {
		return nil
	}
	b := p.free[last]
	p.free[last], p.free = nil, p.free[:last]
	return b
}

// put takes a buffer back. If enough are free the collector has it.
func (p *Pool) put(b *Buffer) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) < p.keep {
		p.free = append(p.free, b)
	}
}
