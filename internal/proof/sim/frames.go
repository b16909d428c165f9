package sim

import (
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// frames keeps the frames that are under way. They lie in pooled buffers: a
// batch that is used after its reference was given back would show the bytes
// of another message, which the checks see as other content.
type frames struct {
	all    []frame
	free   []int32
	pools  []*protocol.Pool // by rising size
	sizes  []int
	encode []byte // the frame being made
}

type frame struct {
	buffer *protocol.Buffer
	length int
	copies int // still under way
}

// Sizes of the buffers for frames, each twice the one before, and how
// many bytes of free ones of each size are kept.
const (
	frameBytesLeast = 512
	frameBytesMost  = 32 << 10 // the next size is that of the longest frame
	frameBytesKept  = 4 << 20
)

func newFrames() frames {
	var f frames
	for size := frameBytesLeast; size <= frameBytesMost; size *= 2 {
		f.sizes = append(f.sizes, size)
	}
	f.sizes = append(f.sizes, wire.FrameBytesMax)
	for _, size := range f.sizes {
		f.pools = append(f.pools, protocol.NewPool(size, max(1, frameBytesKept/size)))
	}
	return f
}

// reset forgets all frames; what they lie in goes back.
func (f *frames) reset() {
	for i := range f.all {
		if f.all[i].copies > 0 {
			f.all[i].buffer.Release()
		}
	}
	f.all, f.free = f.all[:0], f.free[:0]
}

// add encodes a message as a frame that is under way in so many copies.
func (f *frames) add(m *protocol.Message, copies int) int32 {
	f.encode = wire.AppendFrame(f.encode[:0], m)
	size := 0
	for len(f.encode) > f.sizes[size] {
		size++
	}
	buffer := f.pools[size].Get()
	copy(buffer.Bytes, f.encode)
	index := int32(len(f.all))
	if n := len(f.free); n > 0 {
		index, f.free = f.free[n-1], f.free[:n-1]
	} else {
		f.all = append(f.all, frame{})
	}
	f.all[index] = frame{buffer: buffer, length: len(f.encode), copies: copies}
	return index
}

// done says that a copy of a frame arrived, or never will.
func (f *frames) done(index int32) {
	if f.all[index].copies--; f.all[index].copies == 0 {
		f.all[index].buffer.Release()
		f.all[index].buffer = nil
		f.free = append(f.free, index)
	}
}

// open decodes a frame into m, whose batches then hold a reference each.
func (f *frames) open(index int32, m *protocol.Message) error {
	frame := &f.all[index]
	_, body, _, err := wire.CutFrame(frame.buffer.Bytes[:frame.length], wire.FrameBytesMax)
	if err != nil {
		return err
	}
	if err := wire.DecodeMessage(body, m); err != nil {
		return err
	}
	for i := range m.Batches {
		m.Batches[i].Buffer = frame.buffer
		frame.buffer.Retain()
	}
	return nil
}
