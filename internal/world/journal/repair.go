package journal

import (
	"bytes"
	"errors"
	"fmt"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// Place is a batch: its place in the order, and where it lies. Of one that the
// index does not have, only the stream and the number are known.
type Place struct {
	First  uint64 // position of the first entry; 0: the index does not have it
	Origin member.ID
	Life   member.Identity // of the origin; 0: it is not known
	Seq    uint64          // of the first entry
	Count  uint32          // entries; 0: not known
	Time   clock.Time
	at     ref
}

func placeOf(e *entry) Place {
	return Place{First: e.first, Origin: e.origin, Seq: e.seq, Count: e.count, Time: e.time, at: e.at}
}

// Last returns the position of the last entry.
func (p Place) Last() uint64 { return p.First + uint64(p.Count) - 1 }

// String returns which entries are meant and where they lie.
func (p Place) String() string {
	what := fmt.Sprintf("positions %d to %d", p.First, p.Last())
	if p.First == 0 {
		what = fmt.Sprintf("entry %d of member %d", p.Seq, p.Origin)
	}
	return fmt.Sprintf("%s, segment %d at byte %d", what, p.at.segment, p.at.offset)
}

// record returns the record that stood there before it was damaged, made of a
// batch that somebody else has. Origin, numbers, time and length have to be those
// of the index: one life of an origin never has two such batches.
func (p *Place) record(b *protocol.Batch) ([]byte, error) {
	if _, err := wire.DecodeBatch(b.Bytes, new(protocol.Batch)); err != nil {
		return nil, fmt.Errorf("journal: mend: %w", err)
	}
	record := appendRecord(nil, kindBatch, b.Bytes)
	e := entry{origin: p.Origin, seq: p.Seq, count: p.Count, time: p.Time}
	if p.First == 0 { // whether it stood there is judged by what is left of it
		e.count, e.time = b.Count, b.Time
	}
	if !e.is(b) || p.First > 0 && len(record) != p.at.size {
		return nil, fmt.Errorf("journal: mend: what the peer has is not what lay at %s", p)
	}
	return record, nil
}

// restore writes the record over what is damaged. Unless what is left there says
// that it is the one, the batch has to be of the life that counts, and the index has
// to have it.
func (p *Place) restore(files FS, b *protocol.Batch) error {
	record, err := p.record(b)
	if err != nil {
		return err
	}
	there, err := p.there(files)
	if err != nil {
		return err
	}
	if !left(record, there) && (p.First == 0 || p.Life != 0 && b.Identity != p.Life) {
		return fmt.Errorf("journal: mend: nothing says that what the peer has lay at %s", p)
	}
	return rewrite(files, segmentName(p.at.segment), p.at.offset, record)
}

// there returns what stands at a place now, as far as it can be read.
func (p *Place) there(files FS) ([]byte, error) {
	file, err := files.Open(segmentName(p.at.segment))
	if err != nil {
		return nil, fmt.Errorf("journal: mend: %w", err)
	}
	data := make([]byte, p.at.size)
	_, _ = file.ReadAt(data, p.at.offset) // what the disk does not give is not left
	return data, file.Close()
}

// left reports whether what is left of a record shows that it stood there: its
// head, which has a checksum of the rest, or all but its head.
func left(record, there []byte) bool {
	if len(record) > len(there) {
		return false
	}
	head, body := record[:recordHeaderBytes], record[recordHeaderBytes:]
	return bytes.Equal(head, there[:recordHeaderBytes]) || bytes.Equal(body, there[recordHeaderBytes:len(record)])
}

// Fits reports, as an error, whether a batch is the one that lay there.
func (p *Place) Fits(b *protocol.Batch) error {
	_, err := p.record(b)
	return err
}

// A Source gets from elsewhere the batch that lay at a place; Repair and Mend
// refuse one that is not it.
type Source func(report *Report, place Place) (protocol.Batch, error)

// Repaired is what became of the damages of a folder.
type Repaired struct {
	Report *Report  // as the folder is now
	Mended []Damage // those that are gone
	Why    []error  // why others are not, in the order of Report.Damages
}

// Why a damage is not mended.
var (
	errUnknown  = errors.New("nobody else has it: what stood there was for this member only")
	errNoSource = errors.New("peers may hold it: name one that serves HTTP with --from")
)

// Repair puts back what is damaged in a folder that no member runs on: what
// follows from the folder itself, and settled batches from the source, which may be
// nil. What this member told of itself, and what has not settled, nobody else has
// for it: that stays as it is.
func Repair(files FS, from Source) (r Repaired, err error) {
	type spot struct {
		file   string
		offset int64
	}
	done := map[spot]bool{}
	for progress := true; ; {
		if r.Report, err = Inspect(files); err != nil || !progress {
			return r, err
		}
		// What is whole again may tell more: where the next damaged batch of a stream
		// begins, or of one whose record in the index was lost, its position.
		progress, r.Why = false, nil
		for i := range r.Report.Damages {
			d := &r.Report.Damages[i]
			if err := r.mend(files, d, from); err != nil {
				r.Why = append(r.Why, fmt.Errorf("%s at byte %d: %w", d.File, d.Offset, err))
				continue
			}
			// A disk that damages what is put back is not tried again and again.
			if at := (spot{d.File, d.Offset}); !done[at] {
				done[at], progress = true, true
				r.Mended = append(r.Mended, *d)
			}
		}
	}
}

func (r *Repaired) mend(files FS, d *Damage, from Source) error {
	switch {
	case d.again != nil:
		return rewrite(files, d.File, d.Offset, d.again)
	case len(d.Settled) == 0 && len(d.next) == 0:
		return errUnknown
	case from == nil:
		return errNoSource
	case len(d.Settled) == 0:
		return r.mendNext(files, d, from)
	}
	batches := make([]protocol.Batch, len(d.Settled))
	for k := range d.Settled {
		var err error
		if batches[k], err = from(r.Report, d.Settled[k]); err != nil {
			return err
		}
	}
	for k := range d.Settled {
		place := &d.Settled[k]
		if int(place.Origin) < len(r.Report.Binding) {
			place.Life = r.Report.Binding[place.Origin]
		}
		if err := place.restore(files, &batches[k]); err != nil {
			return err
		}
	}
	return nil
}

// mendNext puts back a batch that the index does not have: of those that may have
// stood there, the one that what is left says.
func (r *Repaired) mendNext(files FS, d *Damage, from Source) error {
	why := errUnknown
	for k := range d.next {
		b, err := from(r.Report, d.next[k])
		switch {
		case err != nil:
			why = fmt.Errorf("%w, or %w", errUnknown, err)
		case d.next[k].restore(files, &b) == nil:
			return nil
		}
	}
	return why
}

func rewrite(files FS, name string, at int64, data []byte) error {
	file, err := files.Open(name)
	if err == nil {
		_, err = file.WriteAt(data, at)
		if err == nil {
			err = file.Sync()
		}
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return fmt.Errorf("journal: mend %s: %w", name, err)
	}
	return nil
}

// checkIndex reads the index up to a position, and returns where it is not whole.
// What is behind may be what a crash left.
func checkIndex(files FS, position uint64) error {
	firsts, err := listIndex(files)
	if err != nil || len(firsts) == 0 {
		return err
	}
	next := firsts[0]
	for _, first := range firsts {
		data, err := ReadFile(files, indexName(first))
		if err != nil {
			return fmt.Errorf("index %d: %w", first, err)
		}
		for at := 0; at+entryBytes <= len(data) && next <= position; at += entryBytes {
			e, err := decodeEntry(data[at:])
			if err != nil || e.first != next {
				return fmt.Errorf("index %d at byte %d, position %d: %w", first, at, next, errors.Join(err, ErrDamaged))
			}
			next = e.last() + 1
		}
	}
	if next <= position {
		return fmt.Errorf("the index ends before position %d: %w", next, ErrDamaged)
	}
	return nil
}

// Lacking returns the place of the batch that follows a position, where the index
// has it.
func (a *Archive) Lacking(after uint64) (Place, error) {
	entries, _, err := a.lookUp(after, 1)
	if err == nil && len(entries) == 0 {
		err = fmt.Errorf("journal: position %d is not here", after+1)
	}
	if err != nil {
		return Place{}, err
	}
	place := placeOf(&entries[0])
	a.mu.Lock()
	defer a.mu.Unlock()
	if int(place.Origin) < len(a.lives) {
		place.Life = a.lives[place.Origin]
	}
	return place, nil
}

// Mend puts back a batch that can be read no more, while the member runs: it
// lies where nothing is written any more. It refuses another batch than that.
func (a *Archive) Mend(place Place, b *protocol.Batch) error {
	if err := place.restore(a.fs, b); err != nil {
		return err
	}
	a.shelf.reread()
	return nil
}

// Lost returns the place of a parked batch that cannot be read any more, for who
// asks others for it.
func (j *Journal) Lost(b *protocol.Batch) Place {
	return Place{Origin: b.Origin, Life: b.Identity, Seq: b.Seq, Count: b.Count, Time: b.Time}
}

// Replace gives a parked batch, which cannot be read any more, the bytes that
// somebody else has of it, and puts them back where they lay. It refuses another
// batch than that: one life of an origin never has two with the same numbers. That
// the disk does not take them, or that nobody can tell where they lay, changes nothing
// for who needs the batch now: that is unwritten.
func (j *Journal) Replace(b, found *protocol.Batch) (unwritten, err error) {
	place := j.Lost(b)
	record, err := place.record(found)
	if err == nil && !isAgain(found, b) {
		err = fmt.Errorf("journal: mend: what the peer has is not what was kept of %s", place)
	}
	if err != nil {
		return nil, err
	}
	b.Bytes, b.Parked = found.Bytes, 0
	at, unwritten := j.shelf.find(b)
	if unwritten == nil && at.size != len(record) {
		unwritten = fmt.Errorf("segment %d at byte %d: its head is damaged too: %w", at.segment, at.offset, ErrDamaged)
	}
	if unwritten == nil {
		unwritten = rewrite(j.fs, segmentName(at.segment), at.offset, record)
		j.shelf.reread()
	}
	return unwritten, nil
}
