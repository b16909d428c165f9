package journal

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Errors of Open that a caller may want to tell apart.
var (
	// ErrDamaged is in the chain when something that was acknowledged cannot
	// be read any more, or is not there.
	ErrDamaged = errors.New("acknowledged data is damaged or missing: chatterbox fsck tells all of it, and mends what a peer holds; " +
		"else bring it back from where it is intact, or give the member an empty folder, with which it starts as another life")
	// ErrForeign is in the chain when the folder belongs to another member,
	// another cluster or another list of members.
	ErrForeign = errors.New("the folder belongs to somebody else: give this member its own, or an empty one")
)

// recovery is what was found in a folder, and what has to be done to it before
// it counts.
type recovery struct {
	fs  FS
	cfg *Config

	anchor   *anchorFile // nil: there is none
	proof    anchor
	anchored bool

	begun   []byte // the newest segment if it was only begun; nil: it was not
	data    []byte // of the newest segment that counts
	newest  *part  // nil: a new journal
	torn    error  // how the newest ends, nil: with a whole record
	proven  int    // up to where the newest is known to be durable
	parts   []*part
	numbers []uint64

	state state
	shelf *shelf // where the batches lie that the base does not cover
}

// recoverAll reads what is there. Nothing is changed before it is certain that
// the folder is whole.
func recoverAll(fs FS, cfg *Config) (*recovery, error) {
	r := &recovery{fs: fs, cfg: cfg, shelf: newShelf(fs, cfg)}
	err := r.readAll()
	if err == nil {
		err = r.mend()
	}
	if err != nil && r.anchor != nil {
		err = errors.Join(err, r.anchor.file.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("journal: recover: %w", err)
	}
	return r, nil
}

// readAll reads all that a start needs, and changes nothing.
func (r *recovery) readAll() error {
	err := r.look()
	if err == nil && r.newest != nil {
		err = r.readFormer()
	}
	if err == nil && r.newest != nil {
		err = r.continuous()
	}
	return err
}

// look lists the segments, reads anchor and newest segment, and compares them.
func (r *recovery) look() (err error) {
	if r.anchor, r.proof, r.anchored, err = readAnchor(r.fs); err != nil {
		return fmt.Errorf("file %s: %w", anchorName, err)
	}
	if r.numbers, err = list(r.fs); err != nil {
		return err
	}
	for i := 1; i < len(r.numbers); i++ {
		if before := r.numbers[i-1]; r.numbers[i] != before+1 {
			return fmt.Errorf("segment %d is missing: %w", before+1, ErrDamaged)
		}
	}
	if err := r.readNewest(); err != nil {
		return err
	}
	if err := r.proof.missing(r.numbers, int64(len(r.data))); err != nil {
		return err
	}
	switch p := r.newest; {
	case p == nil:
		return nil
	case p.header.version > 1 && !r.anchored:
		return fmt.Errorf("file %s is missing: %w", anchorName, ErrDamaged)
	case r.anchored && r.proof.segment > 0 && r.proof.identity != p.header.identity:
		return fmt.Errorf("file %s is of identity %s, segment %d of %s: %w", anchorName, r.proof.identity, p.number, p.header.identity, ErrDamaged)
	case r.torn != nil:
		return r.judgeEnd()
	}
	return nil
}

// list returns the numbers of the segments, in order.
func list(fs FS) ([]uint64, error) { return numbered(fs, segmentSuffix) }

// numbered returns the numbers of the files that are called by a number of 16
// digits or more and a suffix, in order.
func numbered(fs FS, suffix string) ([]uint64, error) {
	names, err := fs.List()
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names {
		if number, ok := numberOf(name, suffix); ok {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func numberOf(name, suffix string) (number uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) < numberDigits || len(digits) > numberDigits && digits[0] == '0' {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil
}

// readNewest reads the newest segment that counts. One without a whole head was
// only begun; the one before it is the newest then.
func (r *recovery) readNewest() error {
	for len(r.numbers) > 0 {
		number := r.numbers[len(r.numbers)-1]
		data, err := r.read(number)
		if err != nil {
			return err
		}
		p, err := readPart(number, data, r.cfg)
		switch {
		case err != nil && !errors.Is(err, errTorn):
			return fmt.Errorf("segment %d at byte %d: %w", number, p.end, err)
		case p.begun():
			r.newest, r.data, r.torn = p, data, err
			if r.proven = p.proven; r.proof.segment == number {
				r.proven = max(r.proven, int(r.proof.size))
			}
			return nil
		case r.begun != nil || acknowledged(data, p.end) || len(r.numbers) == 1 && number != 1 || r.proof.segment == number:
			return fmt.Errorf("segment %d: no whole head at byte %d of %d: %w", number, p.end, len(data), ErrDamaged)
		}
		r.begun = append(make([]byte, 0, 1), data...)
		r.numbers = r.numbers[:len(r.numbers)-1]
	}
	return nil
}

func (r *recovery) read(number uint64) ([]byte, error) {
	data, err := ReadFile(r.fs, segmentName(number))
	if err != nil {
		return nil, fmt.Errorf("segment %d: %w", number, err)
	}
	return data, nil
}

// judgeEnd tells an end that a crash left unfinished from damage.
func (r *recovery) judgeEnd() error {
	p := r.newest
	if p.end < r.proven || acknowledged(r.data, p.end) {
		return fmt.Errorf("segment %d at byte %d of %d: %w: %w", p.number, p.end, len(r.data), r.torn, ErrDamaged)
	}
	return nil
}

// readFormer reads the segments before the newest: of most the heads first.
func (r *recovery) readFormer() error {
	next := r.newest
	if next.header.segment != next.number {
		return fmt.Errorf("segment %d calls itself %d: %w", next.number, next.header.segment, ErrDamaged)
	}
	for i := len(r.numbers) - 2; i >= 0; i-- {
		p, err := r.readOne(r.numbers[i], next)
		if err != nil {
			return err
		}
		if err := next.follows(p); err != nil {
			return fmt.Errorf("segment %d: %w", next.number, err)
		}
		r.parts = append(r.parts, p)
		next = p
	}
	slices.Reverse(r.parts)
	r.parts = append(r.parts, r.newest)
	for _, p := range r.parts {
		r.state.join(&p.state)
	}
	return nil
}

// readOne reads a segment up to where the next one says that it ends: what
// stands behind that did not count any more when the next one was begun.
func (r *recovery) readOne(number uint64, next *part) (*part, error) {
	if next.before != nil && r.newest.header.version > 1 {
		p, err := r.readHead(number, next)
		if !errors.Is(err, errNoHead) {
			return p, err
		}
	}
	return r.readWhole(number, next.former)
}

// readWhole reads a segment up to a length; -1 is all of it.
func (r *recovery) readWhole(number uint64, length int64) (*part, error) {
	data, err := r.read(number)
	if err != nil {
		return nil, err
	}
	if length >= 0 {
		if int64(len(data)) < length {
			return nil, fmt.Errorf("segment %d ends at byte %d, and was synced up to byte %d: %w", number, len(data), length, ErrDamaged)
		}
		data = data[:length]
	}
	p, err := readPart(number, data, r.cfg)
	switch {
	case errors.Is(err, errTorn):
		return nil, fmt.Errorf("segment %d: %w at byte %d of %d: %w", number, err, p.end, len(data), ErrDamaged)
	case err != nil:
		return nil, fmt.Errorf("segment %d at byte %d: %w", number, p.end, err)
	case !p.begun():
		return nil, fmt.Errorf("segment %d: no whole head: %w", number, ErrDamaged)
	}
	return p, nil
}

// readHead reads the head of a segment, and checks that the rest is there. It is
// read later, if it is not there to be read again only.
func (r *recovery) readHead(number uint64, next *part) (*part, error) {
	file, err := r.fs.Open(segmentName(number))
	if err != nil {
		return nil, fmt.Errorf("segment %d: %w", number, err)
	}
	size, err := file.Size()
	var p *part
	if err == nil {
		p, err = readHeadOf(file, number, size, r.cfg)
	}
	switch err = errors.Join(err, file.Close()); {
	case err != nil:
		return nil, fmt.Errorf("segment %d: %w", number, err)
	case size < next.former:
		return nil, fmt.Errorf("segment %d ends at byte %d, and was synced up to byte %d: %w", number, size, next.former, ErrDamaged)
	}
	p.bytes = next.former
	p.headOnly = true
	p.covered = r.newest.state.covers(next.before)
	return p, nil
}

// continuous checks that what is there goes on where the base ends, without a
// gap, up to what is known to have been held.
func (r *recovery) continuous() error {
	if oldest := r.parts[0]; !r.state.covers(oldest.before) {
		return fmt.Errorf("segments before %d are missing: %w", oldest.number, ErrDamaged)
	}
	ends := make([]held, r.state.places(r.cfg.Members))
	for origin := range ends {
		ends[origin] = held{identity: r.state.tenant(member.ID(origin)), last: r.state.has(member.ID(origin))}
	}
	for i, p := range r.parts {
		r.shelf.has(p.number, p.bytes)
		if err := r.readOn(p, ends); err != nil {
			return err
		}
		if p.older = i < len(r.parts)-1 && r.bytesFrom(i) > int64(r.cfg.LoadBytesMax); p.older {
			p.batches, p.at = nil, nil
		}
	}
	for origin, h := range r.newest.before {
		end, last := ends[origin], min(h.last, r.state.reach(member.ID(origin), h.identity))
		if known := r.state.tenant(member.ID(origin)) != 0; (known || end.identity == 0 || end.identity == h.identity) && last > end.last {
			return fmt.Errorf("entries %d to %d of member %d are missing: %w", end.last+1, last, origin, ErrDamaged)
		}
	}
	return nil
}

// bytesFrom returns the bytes of a part and all after it.
func (r *recovery) bytesFrom(i int) (bytes int64) {
	for _, p := range r.parts[i:] {
		bytes += p.bytes
	}
	return bytes
}

// readOn reads the rest of a part, and checks and notes its batches.
func (r *recovery) readOn(p *part, ends []held) error {
	if p.headOnly && !p.covered {
		whole, err := r.readWhole(p.number, p.bytes)
		if err != nil {
			return err
		}
		p.batches, p.at = whole.batches, whole.at
	}
	for i := range p.batches {
		b := &p.batches[i]
		if r.state.passes(b) {
			continue
		}
		if err := r.follow(ends, b); err != nil {
			return fmt.Errorf("segment %d: %w", p.number, err)
		}
		r.shelf.note(b, p.at[i])
	}
	return nil
}

// follow checks that a batch goes on where its stream ends. Of an origin that
// nobody is bound to, the first life that comes is the one that counts.
func (r *recovery) follow(ends []held, b *protocol.Batch) error {
	end := &ends[b.Origin]
	if end.identity == 0 {
		end.identity = b.Identity
	}
	foreign := r.state.tenant(b.Origin) == 0 && b.Identity != end.identity
	if foreign || b.Last() > r.state.reach(b.Origin, b.Identity) || b.Last() <= end.last {
		return nil
	}
	if b.Seq > end.last+1 {
		return fmt.Errorf("entries %d to %d of member %d are missing: %w", end.last+1, b.Seq-1, b.Origin, ErrDamaged)
	}
	end.last = b.Last()
	return nil
}

// mend makes durable what was read and is not known to be: it may be in the
// cache of the machine only, left there by a process that was killed between a
// write and its sync, or by a sync that failed. It is written again, for a sync
// alone does not help then. What was not finished is cut off.
func (r *recovery) mend() error {
	if r.begun != nil {
		number := uint64(1)
		if r.newest != nil {
			number = r.newest.number + 1
		}
		r.cfg.Log.Warn("journal: a segment that was only begun is removed", "segment", number, "bytes", len(r.begun))
		if err := r.fs.Remove(segmentName(number)); err != nil {
			return err
		}
		if err := r.fs.SyncDir(); err != nil {
			return err
		}
	}
	if p := r.newest; p != nil && (r.proven < p.end || p.end < len(r.data)) {
		if err := r.mendNewest(); err != nil {
			return fmt.Errorf("segment %d: %w: mend the disk (full?) and start again", p.number, err)
		}
	}
	return r.mendAnchor()
}

func (r *recovery) mendNewest() error {
	end := r.newest.end
	file, err := r.fs.Open(segmentName(r.newest.number))
	if err != nil {
		return err
	}
	if r.proven < end {
		_, err = file.WriteAt(r.data[r.proven:end], int64(r.proven))
	}
	if cut := len(r.data) - end; cut > 0 && err == nil {
		r.cfg.Log.Warn("journal: an unfinished end is cut off; nobody was told of it", "segment", r.newest.number, "at_byte", end, "bytes", cut)
		err = file.Truncate(int64(end))
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func (r *recovery) mendAnchor() (err error) {
	if r.anchor == nil {
		if r.anchor, err = createAnchor(r.fs); err != nil {
			return err
		}
	}
	return r.anchor.begin(r.fs)
}

// segments returns what is to be remembered of the segments that are there.
func (r *recovery) segments() []segment {
	var all []segment
	ends := make([]held, r.state.places(r.cfg.Members))
	for i, p := range r.parts {
		copy(ends, p.before)
		for origin, h := range p.held {
			if h.last > 0 {
				r.state.note(&ends[origin], member.ID(origin), h.identity, h.last)
			}
		}
		if i+1 < len(r.parts) && r.parts[i+1].before != nil {
			copy(ends, r.parts[i+1].before)
		}
		all = append(all, segment{number: p.number, bytes: p.bytes, held: slices.Clone(ends), inherited: true})
	}
	return all
}

// batches returns all batches in the order in which they were kept.
func (r *recovery) batches() []protocol.Batch {
	var all []protocol.Batch
	for _, p := range r.parts {
		all = append(all, p.batches...)
	}
	return all
}
