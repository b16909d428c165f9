package journal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"chatterbox/clock"
	"chatterbox/protocol"
	"chatterbox/wire"
)

// Errors of Open that a caller may want to tell apart.
var (
	// ErrDamaged is in the chain when something that was acknowledged cannot
	// be read any more.
	ErrDamaged = errors.New("acknowledged data is damaged: bring the file back from where it is intact, " +
		"or give the member an empty folder, with which it starts as another life")
	// ErrForeign is in the chain when the folder belongs to another member,
	// another cluster or another list of members.
	ErrForeign = errors.New("the folder belongs to somebody else: give this member its own, or an empty one")
)

// recovery is what was read from the segments so far.
type recovery struct {
	cfg      Config
	header   *header // of the newest segment that has one; nil: a new journal
	state    state
	settled  clock.Time
	batches  []protocol.Batch
	segments []segment
	next     uint64 // number of the segment to begin
}

// recoverAll reads all segments and cuts off what was not finished.
func recoverAll(fs FS, cfg Config) (*recovery, error) {
	numbers, err := list(fs)
	if err != nil {
		return nil, err
	}
	r := &recovery{cfg: cfg, next: 1}
	for i, number := range numbers {
		if i > 0 && number != r.next {
			return nil, fmt.Errorf("journal: recover: segment %d is missing: %w", r.next, ErrDamaged)
		}
		r.next = number
		if err := r.segment(fs, number, i == 0, i == len(numbers)-1); err != nil {
			return nil, fmt.Errorf("journal: recover segment %d: %w", number, err)
		}
	}
	return r, nil
}

func list(fs FS) ([]uint64, error) {
	names, err := fs.List()
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var numbers []uint64
	for _, name := range names {
		var number uint64
		if n, _ := fmt.Sscanf(name, segmentPattern, &number); n == 1 && segmentName(number) == name {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// segment reads a segment. Only the last one may have a damaged end, and only
// behind what was acknowledged. A last one without so much as a header is one
// whose beginning was interrupted; it goes.
func (r *recovery) segment(fs FS, number uint64, first, last bool) error {
	data, err := fs.Read(segmentName(number))
	if err != nil {
		return err
	}
	s := segment{number: number, last: make([]uint64, r.cfg.Members)}
	end, err := r.records(&s, data)
	switch {
	case err == nil:
	case !errors.Is(err, errTorn):
		return fmt.Errorf("at byte %d: %w", end, err)
	case !last || acknowledged(data, end) || end == 0 && first && number != 1:
		return fmt.Errorf("%w at byte %d of %d: %w", err, end, len(data), ErrDamaged)
	case end == 0:
		r.cfg.Log.Warn("journal: a segment that was only begun is removed", "segment", number, "bytes", len(data))
		return errors.Join(fs.Remove(segmentName(number)), fs.SyncDir())
	default:
		r.cfg.Log.Warn("journal: an unfinished end is cut off; it was not acknowledged to anybody",
			"segment", number, "at_byte", end, "bytes", len(data)-end)
		if err := fs.Cut(segmentName(number), int64(end)); err != nil {
			return err
		}
	}
	r.segments = append(r.segments, s)
	r.next = number + 1
	return nil
}

// records takes all records of a segment, and gives where the first one that
// it cannot take begins.
func (r *recovery) records(s *segment, data []byte) (end int, err error) {
	for end < len(data) {
		k, body, rest, err := nextRecord(data[end:])
		if err != nil {
			return end, err
		}
		if (end == 0) != (k == kindHead) {
			return end, fmt.Errorf("record of kind %d is out of place: %w", k, ErrDamaged)
		}
		if err := r.record(s, k, body, end); err != nil {
			return end, err
		}
		end = len(data) - len(rest)
	}
	if end == 0 {
		return 0, errTorn
	}
	return end, nil
}

// record takes one record, whose checksum is right.
func (r *recovery) record(s *segment, k kind, body []byte, at int) error {
	switch k {
	case kindHead:
		return r.takeHeader(s, body)
	case kindMark:
		if !bytes.Equal(body, markBody(at)) {
			return fmt.Errorf("mark of another place: %w", ErrDamaged)
		}
		return nil
	case kindBatch:
		return r.takeBatch(s, body)
	case kindBound:
		bound, err := decodeBound(body)
		r.state.bound = max(r.state.bound, bound)
		return err
	case kindSettled:
		settled, err := decodeBound(body)
		r.settled = max(r.settled, settled)
		return err
	case kindBase:
		base, err := decodeBase(body, r.cfg.Members)
		r.state.base = base
		return err
	case kindBinding:
		binding, err := decodeBinding(body, r.cfg.Members)
		r.state.binding = binding
		return err
	}
	return fmt.Errorf("unknown kind %d of record: written by another version?", k)
}

// takeHeader compares a header with what is expected, and with the one before.
func (r *recovery) takeHeader(s *segment, body []byte) error {
	h, err := decodeHeader(body)
	switch before := r.header; {
	case err != nil:
		return err
	case h.cluster != r.cfg.Cluster:
		return fmt.Errorf("%w: it is of cluster %q, not %q", ErrForeign, h.cluster, r.cfg.Cluster)
	case h.self != r.cfg.Self || h.members != r.cfg.Members:
		return fmt.Errorf("%w: it is of member %d of %d, not %d of %d",
			ErrForeign, h.self, h.members, r.cfg.Self, r.cfg.Members)
	case h.list != r.cfg.List:
		return fmt.Errorf("%w: it is of another list of members (peers file)", ErrForeign)
	case h.segment != s.number || before != nil && (h.identity != before.identity || h.life < before.life):
		return fmt.Errorf("header of segment %d, identity %s, life %d is out of place: %w", h.segment, h.identity, h.life, ErrDamaged)
	}
	r.header = &h
	return nil
}

func (r *recovery) takeBatch(s *segment, body []byte) error {
	var b protocol.Batch
	rest, err := wire.DecodeBatch(body, &b)
	switch {
	case err != nil:
		return err
	case len(rest) != 0:
		return fmt.Errorf("%d bytes after a batch", len(rest))
	case int(b.Origin) >= r.cfg.Members:
		return fmt.Errorf("batch of member %d of %d", b.Origin, r.cfg.Members)
	}
	s.last[b.Origin] = max(s.last[b.Origin], b.Last())
	r.batches = append(r.batches, b)
	return nil
}

// acknowledged says whether anything after a place proves that it was synced:
// a mark is written only after all before it was.
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

// recovered gives what is not covered by the base.
func (r *recovery) recovered() *protocol.Recovered {
	if r.state.base.Have == nil {
		r.state.base.Have = make([]uint64, r.cfg.Members)
	}
	have := r.state.base.Have
	batches := slices.DeleteFunc(r.batches, func(b protocol.Batch) bool { return b.Last() <= have[b.Origin] })
	return &protocol.Recovered{
		Base:    protocol.Snapshot{Time: r.state.base.Time, Have: slices.Clone(have), State: r.state.base.State},
		Batches: batches,
		Bound:   r.state.bound,
		Binding: slices.Clone(r.state.binding),
		Settled: r.settled,
	}
}
