package delta

import (
	"encoding/binary"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// What is here lets a backlog cost disk and not memory. The batches of a log
// that are oldest are parked when those of all logs together take more memory
// than they may: then only the journal has their bytes, and here is left what
// the rules need to know of them, a few bytes each. All rules see a parked batch
// as any other one; whoever sends or delivers it has the driver load it first.

// log is the batches of one stream that are held and not trimmed, each under a
// number for ever. The first ones may be parked.
type log struct {
	first  uint64 // the number of the first batch
	end    uint64 // the number that the next batch will have
	recent queue[protocol.Batch]
	parked outlines
	shown  protocol.Batch `state:"scratch"` // the parked batch that was asked for last
}

func (g *log) len() int { return int(g.end - g.first) }

// at returns the batch with a number from first up to, not including, end. A
// parked one is valid until another one of the log is asked for.
func (g *log) at(number uint64) *protocol.Batch {
	if number >= g.recent.first {
		return g.recent.at(number)
	}
	g.shown = g.parked.at(int(number - g.first))
	return &g.shown
}

func (g *log) push() *protocol.Batch {
	g.end++
	return g.recent.push()
}

func (g *log) pop() {
	if g.first < g.recent.first {
		g.parked.pop()
	} else {
		g.recent.pop()
	}
	g.first++
}

// drop takes the last batch away.
func (g *log) drop() {
	g.end--
	if g.end < g.recent.first {
		g.parked.drop()
		g.recent.restart(g.end)
	} else {
		g.recent.end--
	}
}

// park parks the first batch whose bytes are in memory, and returns it with
// them.
func (g *log) park(prepared bool) protocol.Batch {
	b := g.recent.at(g.recent.first)
	g.parked.push(b, prepared)
	was := *b
	*b = protocol.Batch{}
	g.recent.pop()
	return was
}

const (
	outlinesOfBlock = 32  // how many outlines are looked through for one, at most
	blockBytes      = 128 // of memory for a block, besides its numbers
)

// outlines is a row of batches of one stream, each following the one before, without
// their bytes: some five bytes each. Any can be read; they are added at the end
// and taken from the front.
type outlines struct {
	origin   member.ID
	pens     []pen // mostly one
	blocks   []block
	skip     int        // how many of the first block were taken
	count    int        // how many there are
	end      uint64     // the last entry
	time     clock.Time // of the last batch
	memory   int        // bytes
	prepared []any      // what was prepared of each, if that is kept
}

// block is some outlines: how many entries each has, how much later than the one
// before it is, and its size, as variable-length numbers.
type block struct {
	end  uint64     // the last entry before
	time clock.Time // of the batch before
	data []byte
}

// pen is the identity that stands on batches from an entry on.
type pen struct {
	seq      uint64
	identity member.Identity
}

func (s *outlines) push(b *protocol.Batch, prepared bool) {
	if (s.skip+s.count)%outlinesOfBlock == 0 {
		if s.count == 0 {
			*s = outlines{origin: b.Origin, end: b.Seq - 1}
		}
		s.blocks = append(s.blocks, block{end: s.end, time: s.time})
		s.memory += blockBytes
	}
	if n := len(s.pens); n == 0 || s.pens[n-1].identity != b.Identity {
		s.pens = append(s.pens, pen{b.Seq, b.Identity})
	}
	last := &s.blocks[len(s.blocks)-1]
	before := len(last.data)
	last.data = binary.AppendUvarint(last.data, uint64(b.Count))
	last.data = binary.AppendUvarint(last.data, uint64(b.Time-s.time))
	last.data = binary.AppendUvarint(last.data, uint64(b.Size()))
	s.memory += len(last.data) - before
	s.count++
	s.end, s.time = b.Last(), b.Time
	if prepared {
		s.prepared = append(s.prepared, b.Prepared)
	}
}

// at returns an outline as a parked batch.
func (s *outlines) at(i int) protocol.Batch {
	at := &s.blocks[(s.skip+i)/outlinesOfBlock]
	b := protocol.Batch{Origin: s.origin, Seq: at.end + 1, Time: at.time}
	data := at.data
	for range (s.skip+i)%outlinesOfBlock + 1 {
		b.Seq += uint64(b.Count)
		var numbers [3]uint64
		for k := range numbers {
			number, length := binary.Uvarint(data)
			numbers[k], data = number, data[length:]
		}
		b.Count, b.Parked = uint32(numbers[0]), uint32(numbers[2])
		b.Time += clock.Time(numbers[1])
	}
	for _, pen := range slices.Backward(s.pens) {
		if b.Identity = pen.identity; pen.seq <= b.Seq {
			break
		}
	}
	if len(s.prepared) > 0 {
		b.Prepared = s.prepared[i]
	}
	return b
}

func (s *outlines) pop() {
	s.count--
	if len(s.prepared) > 0 {
		s.prepared[0] = nil
		s.prepared = s.prepared[1:]
	}
	if s.skip++; s.skip == outlinesOfBlock || s.count == 0 {
		s.memory -= blockBytes + len(s.blocks[0].data)
		s.blocks[0].data = nil
		s.blocks, s.skip = s.blocks[1:], 0
	}
}

// drop takes the last outline away.
func (s *outlines) drop() {
	all := make([]protocol.Batch, 0, s.count-1)
	for i := range s.count - 1 {
		all = append(all, s.at(i))
	}
	prepared := len(s.prepared) > 0
	*s = outlines{}
	for i := range all {
		s.push(&all[i], prepared)
	}
}

// parkedPerFlush is how many bytes of parked batches are delivered at a time:
// they are read from disk while all else waits.
const parkedPerFlush = 256 << 10

// parks reports whether batches can be parked: there must be a journal.
func (d *Delta) parks() bool { return d.cfg.Durable }

// inMemory returns the bytes that the batches of all logs take in memory.
func (d *Delta) inMemory() int { return d.own.held - d.own.parked + d.own.outlines }

// park parks the oldest batches of all logs, in order, when there are too many
// bytes of them in memory, and then some more.
func (d *Delta) park() {
	if !d.parks() || d.inMemory() <= d.cfg.MemoryBytesMax {
		return
	}
	o, cursors := &d.scratch.order, d.cursors(func(g *log) uint64 { return g.recent.first })
	most := d.cfg.MemoryBytesMax - d.cfg.MemoryBytesMax/8
	for d.walk(o, cursors, clock.Infinity); len(o.heads) > 0 && d.inMemory() > most; d.advance(o) {
		stream := o.heads[0].stream
		g := &d.streams[stream].log
		before := g.parked.memory
		b := g.park(d.cfg.KeepPrepared)
		d.own.parked += len(b.Bytes) // what was written again may be parked already
		d.own.outlines += g.parked.memory - before
		if b.Buffer != nil { // else there are too many at a start
			d.fx.Release = append(d.fx.Release, b)
		}
		cursors[stream]++
	}
}

// takeFirst takes the first batch out of a log. Whoever gets it gives its
// reference back, if it is not parked.
func (d *Delta) takeFirst(g *log) protocol.Batch {
	at, before := g.at(g.first), g.parked.memory
	b := *at
	d.own.held -= b.Size()
	d.own.parked -= int(b.Parked)
	*at = protocol.Batch{}
	g.pop()
	d.own.outlines += g.parked.memory - before
	return b
}

// takeLast takes the last batch out of a log. Whoever gets it gives its reference
// back, if it is not parked.
func (d *Delta) takeLast(g *log) protocol.Batch {
	at, before := g.at(g.end-1), g.parked.memory
	b := *at
	d.own.held -= b.Size()
	d.own.parked -= int(b.Parked)
	*at = protocol.Batch{}
	g.drop()
	d.own.outlines += g.parked.memory - before
	return b
}
