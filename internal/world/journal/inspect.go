package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Damage is a piece of a file that is not as it was written.
type Damage struct {
	File   string // its name in the folder
	Offset int64  // where the piece begins, in bytes
	Bytes  int64  // of the piece
	Why    string
	// Settled are the settled batches that lie there, as the index says.
	Settled []Place

	again []byte // what stood there, if that follows from the rest of the folder
	// next are the batches that may have stood there, one of each stream, if the
	// index does not know: those that go on where their streams end before it.
	next []Place
}

// String returns where the damage is.
func (d Damage) String() string {
	text := fmt.Sprintf("%s at byte %d, %d bytes: %s", d.File, d.Offset, d.Bytes, d.Why)
	if number, ok := numberOf(d.File, segmentSuffix); ok {
		text = fmt.Sprintf("segment %d (%s) at byte %d, %d bytes: %s", number, d.File, d.Offset, d.Bytes, d.Why)
	}
	if len(d.Settled) == 0 {
		return text
	}
	first, last := d.Settled[0].First, d.Settled[len(d.Settled)-1].Last()
	if first == last {
		return fmt.Sprintf("%s; position %d lies there", text, first)
	}
	return fmt.Sprintf("%s; positions %d to %d lie there", text, first, last)
}

// Report is what is found in a folder.
type Report struct {
	Segments    int
	Bytes       int64  // of the segments
	First, Last uint64 // positions in the index
	// Unfinished is how many bytes stand at the end of the newest segment that a
	// crash left, or that a member is writing: nobody was told of them.
	Unfinished int64
	Damages    []Damage
	Binding    member.Binding // who writes at which place, as far as known
	// Refusal is why a start with this folder would be refused.
	Refusal error
}

// Inspect reads everything in a folder, changes nothing, and finds each piece
// that is not as it was written. The error says that it cannot be read at all.
func Inspect(files FS) (*Report, error) {
	numbers, err := list(files)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if len(numbers) == 0 {
		return nil, errors.New("journal: there is no journal in the folder")
	}
	i := &inspection{files: files, numbers: numbers, refs: map[uint64][]entry{}}
	if err := i.inspect(); err != nil {
		return nil, fmt.Errorf("journal: inspect: %w", err)
	}
	i.judge()
	return &i.report, nil
}

// inspection is the work of Inspect.
type inspection struct {
	files   FS
	numbers []uint64
	report  Report
	owner   Config

	refs   map[uint64][]entry // the index by segment, each in the order of offsets
	loose  []loose            // whole batches that the index does not name
	state  state              // as far as records are whole
	last   []held             // of each stream, up to where segments were read
	proven int64              // of the newest segment
}

// loose is a batch that was found in a segment.
type loose struct {
	batch protocol.Batch
	at    ref
}

func (i *inspection) damaged(d Damage) { i.report.Damages = append(i.report.Damages, d) }

func (i *inspection) inspect() error {
	i.report.Segments = len(i.numbers)
	if newest, err := newestHead(i.files, i.numbers); err == nil {
		i.owner = newest.owner()
	}
	if err := i.inspectAnchor(); err != nil {
		return err
	}
	lost, err := i.inspectIndex()
	if err != nil {
		return err
	}
	for k, number := range i.numbers {
		if err := i.inspectSegment(k, number); err != nil {
			return err
		}
	}
	i.report.Binding = i.state.binding
	i.restoreIndex(lost)
	return nil
}

// inspectAnchor looks at the three places of the anchor. One that was never
// written holds zeros.
func (i *inspection) inspectAnchor() error {
	data, err := ReadFile(i.files, anchorName)
	if err != nil {
		i.damaged(Damage{File: anchorName, Why: "it cannot be read: " + err.Error()})
		return nil //nolint:nilerr // it is told as what it is
	}
	for place := range anchorPlaces {
		from := min(place*anchorPlaceBytes, len(data))
		there := data[from:min(from+anchorRecordBytes, len(data))]
		if len(bytes.Trim(there, "\x00")) == 0 {
			continue
		}
		k, body, _, err := nextRecord(there)
		a, wrong := decodeAnchor(body)
		if err != nil || k != kindAnchor || wrong != nil {
			i.damaged(Damage{File: anchorName, Offset: int64(from), Bytes: anchorRecordBytes, Why: "no whole anchor; the other places stand for it"})
			continue
		}
		if a.segment == i.numbers[len(i.numbers)-1] {
			i.proven = max(i.proven, int64(a.size))
		}
	}
	return nil
}

// lostEntry is a record of the index that cannot be read, between two that can.
type lostEntry struct {
	damage        int // in the report
	before, after entry
	last          bool // it is the last one
}

// inspectIndex reads all records of the index.
func (i *inspection) inspectIndex() (lost []lostEntry, err error) {
	firsts, err := listIndex(i.files)
	if err != nil {
		return nil, err
	}
	var before entry
	for n, first := range firsts {
		name := indexName(first)
		data, err := ReadFile(i.files, name)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			i.report.First, before.first, before.count = first, first-1, 1
		}
		for at := 0; at+entryBytes <= len(data); at += entryBytes {
			e, err := decodeEntry(data[at:])
			if err == nil && e.first == before.last()+1 {
				i.refs[e.at.segment] = append(i.refs[e.at.segment], e)
				before, i.report.Last = e, e.last()
				continue
			}
			l := lostEntry{damage: len(i.report.Damages), before: before, last: at+2*entryBytes > len(data) && n == len(firsts)-1}
			i.damaged(Damage{File: name, Offset: int64(at), Bytes: entryBytes, Why: fmt.Sprintf("the record of position %d in the index is not whole", before.last()+1)})
			if l.after, err = decodeEntry(append(data[min(at+entryBytes, len(data)):len(data):len(data)], make([]byte, entryBytes)...)); err != nil && !l.last {
				return lost, nil //nolint:nilerr // what comes behind is not known
			}
			lost = append(lost, l)
			before = entry{first: l.after.first - 1, count: 1, time: before.time, origin: before.origin}
		}
	}
	for _, all := range i.refs {
		slices.SortFunc(all, func(a, b entry) int { return int(a.at.offset - b.at.offset) })
	}
	return lost, nil
}

// inspectSegment reads all records of a segment, up to where the next one says
// that it ends.
func (i *inspection) inspectSegment(k int, number uint64) error {
	data, err := ReadFile(i.files, segmentName(number))
	if err != nil {
		return err
	}
	i.report.Bytes += int64(len(data))
	newest := k == len(i.numbers)-1
	if !newest {
		if next, err := headOf(i.files, i.numbers[k+1]); err == nil && next.former >= 0 && next.former <= int64(len(data)) {
			data = data[:next.former]
		}
	}
	p := &part{number: number, former: -1}
	defer func() { i.state.join(&p.state) }()
	for at := 0; at < len(data); {
		kind, body, rest, err := nextRecord(data[at:])
		if err == nil {
			if wrong := i.fits(p, at, kind, body); wrong != nil {
				i.damaged(Damage{File: segmentName(number), Offset: int64(at), Bytes: int64(recordHeaderBytes + len(body)), Why: wrong.Error()})
			}
			at = len(data) - len(rest)
			continue
		}
		end := i.whereNext(number, data, at)
		if newest && !acknowledged(data, at) && int64(at) >= i.proven {
			i.report.Unfinished = int64(len(data) - at)
			return nil
		}
		i.broken(number, data, at, end)
		at = end
	}
	return nil
}

// fits returns what is wrong with a whole record at a place.
func (i *inspection) fits(p *part, at int, k kind, body []byte) error {
	p.end = at
	if (at == 0) != (k == kindHead) {
		return fmt.Errorf("a record of kind %d is out of place", k)
	}
	if i.owner.Members == 0 {
		return nil // nobody knows whose it is; that is told anyway
	}
	if err := p.take(k, body, &i.owner); err != nil {
		return err
	}
	if k == kindHeld {
		i.last = longer(i.last, len(p.before))
		copy(i.last, p.before)
	}
	if k != kindBatch {
		return nil
	}
	b := p.batches[len(p.batches)-1]
	i.last = longer(i.last, max(i.owner.Members, int(b.Origin)+1))
	i.state.note(&i.last[b.Origin], b.Origin, b.Identity, b.Last())
	lies := p.at[len(p.at)-1]
	p.batches, p.at = p.batches[:0], p.at[:0]
	refs := i.refs[p.number]
	n, found := slices.BinarySearchFunc(refs, lies.offset, func(e entry, offset int64) int { return int(e.at.offset - offset) })
	switch {
	case !found:
		b.Bytes = nil
		i.loose = append(i.loose, loose{b, lies})
	case !refs[n].is(&b) || refs[n].at.size != lies.size:
		return fmt.Errorf("it is not the batch that the index has at position %d", refs[n].first)
	}
	return nil
}

// whereNext returns where reading goes on behind a record that is not whole: at
// its end by the index; else at the next batch that the index has, the next
// mark, or the end that its own length says if a record follows there,
// whichever comes first.
func (i *inspection) whereNext(number uint64, data []byte, at int) int {
	next := len(data)
	for _, e := range i.refs[number] {
		switch offset := int(e.at.offset); {
		case offset == at:
			return min(at+e.at.size, len(data))
		case offset > at:
			next = min(next, offset)
		}
	}
	if at+recordHeaderBytes <= len(data) {
		end := at + recordHeaderBytes + int(binary.LittleEndian.Uint32(data[at:])&recordBytesMax)
		if end < next {
			if _, _, _, err := nextRecord(data[end:]); err == nil {
				next = end
			}
		}
	}
	if markLike(data[at:], at) != nil {
		next = min(next, at+markRecordBytes)
	}
	for from := at + 1; from < next; from++ {
		if markAt(data, from) {
			return from
		}
	}
	return next
}

// broken tells of a piece of a segment, with what lies there and, if that is
// known, what stood there.
func (i *inspection) broken(number uint64, data []byte, at, end int) {
	d := Damage{File: segmentName(number), Offset: int64(at), Bytes: int64(end - at), Why: "no whole record: length, checksum or content have changed"}
	for _, e := range i.refs[number] {
		if e.at.offset >= int64(at) && e.at.offset < int64(end) {
			d.Settled = append(d.Settled, placeOf(&e))
		}
	}
	if mark := markLike(data[at:end], at); mark != nil && len(d.Settled) == 0 {
		d.Why, d.again = "a mark is not whole", mark
	}
	if len(d.Settled) == 0 && d.again == nil && at > 0 {
		for origin, h := range longer(i.last, i.owner.Members) {
			d.next = append(d.next, Place{Origin: member.ID(origin), Life: h.identity, Seq: h.last + 1, at: ref{number, int64(at), end - at}})
		}
	}
	i.damaged(d)
}

// markLike returns the mark for an offset if that is what p holds, but for one
// of length, checksum and content: a mark holds nothing but its place.
func markLike(p []byte, offset int) []byte {
	mark := appendRecord(nil, kindMark, markBody(offset))
	if len(p) < len(mark) {
		return nil
	}
	same := 0
	for _, field := range [][2]int{{0, 4}, {4, 8}, {8, 16}} {
		if bytes.Equal(mark[field[0]:field[1]], p[field[0]:field[1]]) {
			same++
		}
	}
	if same < 2 {
		return nil
	}
	return mark
}

// restoreIndex finds the records that were lost: each stands for the one batch
// that the index does not name and that fits between its neighbours.
func (i *inspection) restoreIndex(lost []lostEntry) {
	for _, l := range lost {
		if l.last { // a start cuts off what is behind the base
			l.after.first = i.state.position() + 1
		}
		first := l.before.last() + 1
		var fit []loose
		for _, candidate := range i.loose {
			b := &candidate.batch
			after := l.before.first == 0 || i.orders(l.before.time, l.before.origin, b)
			before := l.last || !i.orders(l.after.time, l.after.origin, b)
			if after && before && first+uint64(b.Count) == l.after.first && b.Last() <= i.state.reach(b.Origin, b.Identity) {
				fit = append(fit, candidate)
			}
		}
		if len(fit) == 1 {
			i.report.Damages[l.damage].again = appendEntry(nil, entryOf(&fit[0].batch, first, fit[0].at))
		}
	}
}

// orders reports whether a batch comes after a time and an origin in the order.
func (*inspection) orders(time clock.Time, origin member.ID, b *protocol.Batch) bool {
	return b.Time > time || b.Time == time && b.Origin > origin
}

// judge asks whether a start would take the folder.
func (i *inspection) judge() {
	if i.owner.Members == 0 {
		i.report.Refusal = fmt.Errorf("no head of a segment can be read: %w", ErrDamaged)
		return
	}
	_, i.report.Refusal = recoverOnly(i.files, &i.owner)
}
