package journal

import (
	"bytes"
	"errors"
	"fmt"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// part is what was read of one segment.
type part struct {
	number   uint64
	header   header
	former   int64  // bytes of the segment before; -1: it does not say
	before   []held // what was held when it was begun; nil: it does not say
	state    state
	batches  []protocol.Batch
	at       []ref  // where the batches lie
	held     []held // what of each stream was in the segment; nil: nothing was
	bytes    int64  // of the whole segment, as far as it counts
	covered  bool   // the base covers all of it
	headOnly bool   // nothing but the head was read at first
	older    bool   // its batches are not in memory
	proven   int    // where its last mark stands: a mark is written only after all before it was synced
	end      int    // where its whole records end
}

// readPart reads the records of a segment up to the first one that is not
// whole: then the error is errTorn, and end is where.
func readPart(number uint64, data []byte, cfg *Config) (*part, error) {
	p := &part{number: number, former: -1}
	for p.end < len(data) {
		p.bytes = int64(p.end)
		k, body, rest, err := nextRecord(data[p.end:])
		if err != nil {
			return p, err
		}
		if (p.end == 0) != (k == kindHead) {
			return p, fmt.Errorf("record of kind %d is out of place: %w", k, ErrDamaged)
		}
		if err := p.take(k, body, cfg); err != nil {
			return p, err
		}
		p.end = len(data) - len(rest)
	}
	if p.bytes = int64(p.end); p.end == 0 {
		return p, errTorn
	}
	return p, nil
}

// take takes one record, whose checksum is right.
func (p *part) take(k kind, body []byte, cfg *Config) error {
	taken, err := p.state.take(k, body, cfg.Members)
	if (k == kindBase || k == kindOldBase) && err == nil {
		p.forget()
	}
	if taken || err != nil {
		return err
	}
	switch k {
	case kindHead:
		if p.header, err = decodeHeader(body); err != nil {
			return err
		}
		p.state.place = p.header.self
		return p.foreign(cfg)
	case kindMark:
		if !bytes.Equal(body, markBody(p.end)) {
			return fmt.Errorf("mark of another place: %w", ErrDamaged)
		}
		p.proven = p.end
		return nil
	case kindFormer:
		former, err := decodeNumber[uint64](body)
		p.former = int64(former)
		return err
	case kindHeld:
		p.before, err = decodeHeld(body, cfg.Members)
		return err
	case kindBatch:
		return p.takeBatch(body, cfg)
	}
	return fmt.Errorf("unknown kind %d of record: written by another version?", k)
}

// foreign compares the header with what is expected.
func (p *part) foreign(cfg *Config) error {
	h := &p.header
	switch {
	case h.cluster != cfg.Cluster:
		return fmt.Errorf("%w: it is of cluster %q, not %q", ErrForeign, h.cluster, cfg.Cluster)
	case h.self != cfg.Self || h.members != cfg.Members:
		return fmt.Errorf("%w: it is of member %d of %d, not %d of %d", ErrForeign, h.self, h.members, cfg.Self, cfg.Members)
	case h.list != cfg.List && (cfg.ListAsWritten == 0 || h.list != cfg.ListAsWritten):
		return fmt.Errorf("%w: it is of another list of members (peers file)", ErrForeign)
	}
	return nil
}

func (p *part) takeBatch(body []byte, cfg *Config) error {
	var b protocol.Batch
	rest, err := wire.DecodeBatch(body, &b)
	switch {
	case err != nil:
		return err
	case len(rest) != 0:
		return fmt.Errorf("%d bytes after a batch", len(rest))
	case int(b.Origin) >= p.state.places(cfg.Members):
		return fmt.Errorf("batch of member %d of %d", b.Origin, p.state.places(cfg.Members))
	}
	p.held = longer(p.held, p.state.places(cfg.Members))
	p.state.note(&p.held[b.Origin], b.Origin, b.Identity, b.Last())
	p.batches = append(p.batches, b)
	p.at = append(p.at, ref{p.number, int64(p.end), recordHeaderBytes + len(body)})
	return nil
}

// readHeadOf reads the head of a segment whose size is known.
func readHeadOf(file File, number uint64, size int64, cfg *Config) (*part, error) {
	data := make([]byte, min(size, headBytesGuess))
	for {
		if n, err := file.ReadAt(data, 0); n < len(data) {
			return nil, err
		}
		_, body, _, err := nextRecord(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", err, ErrDamaged)
		}
		h, err := decodeHeader(body)
		if err != nil {
			return nil, err
		}
		if h.version == 1 {
			return nil, errNoHead
		}
		if h.head > uint64(size) || h.head == 0 {
			return nil, fmt.Errorf("head of %d bytes in %d: %w", h.head, size, ErrDamaged)
		}
		if int(h.head) > len(data) {
			data = make([]byte, h.head)
			continue
		}
		p, err := readPart(number, data[:h.head], cfg)
		if errors.Is(err, errTorn) {
			err = fmt.Errorf("%w at byte %d of the head: %w", err, p.end, ErrDamaged)
		}
		return p, err
	}
}

// errNoHead says that a segment does not tell how long its head is, as in version
// 1.
var errNoHead = errors.New("the length of the head is not told")

// headBytesGuess is how much of a segment is read for its head at first.
const headBytesGuess = 16 << 10

// forget drops the batches that the base covers, so that not all of a long
// segment are in memory.
func (p *part) forget() {
	kept := 0
	for i := range p.batches {
		if b := &p.batches[i]; b.Last() > p.state.has(b.Origin) {
			p.batches[kept], p.at[kept] = *b, p.at[i]
			kept++
		}
	}
	clear(p.batches[kept:])
	p.batches, p.at = p.batches[:kept], p.at[:kept]
}

// begun reports whether the whole head of the segment is there. Without it
// nothing was written behind, and nobody relied on it.
func (p *part) begun() bool { return p.end > 0 && uint64(p.end) >= p.header.head }

// follows compares the header with that of the segment before.
func (p *part) follows(before *part) error {
	h, b := &p.header, &before.header
	if h.segment != p.number || h.identity != b.identity || h.life < b.life {
		return fmt.Errorf("header of segment %d, identity %s, life %d is out of place: %w", h.segment, h.identity, h.life, ErrDamaged)
	}
	return nil
}

// acknowledged reports whether anything after a place proves that it was
// synced.
func acknowledged(data []byte, after int) bool {
	mark := []byte{8, 0, 0, byte(kindMark)}
	for at := after + 1; at < len(data); at++ {
		next := bytes.Index(data[at:], mark)
		if next < 0 {
			return false
		}
		if at += next; markAt(data, at) {
			return true
		}
	}
	return false
}
