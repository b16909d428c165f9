package member

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"

	"chatterbox/internal/core/clock"
)

// AppendView appends the one encoding of a view: what its lineage is a hash of,
// and what stands on disk and in messages. Numbers are varints, identities and
// lineages eight bytes, the lowest first, texts have their length before them.
func AppendView(p []byte, v *View) []byte {
	p = binary.AppendUvarint(p, v.Number)
	p = binary.LittleEndian.AppendUint64(p, v.Lineage)
	return v.appendRoots(v.appendBody(p))
}

// hash returns the lineage of a view that follows one of the given lineage.
func (v *View) hash(parent uint64) uint64 {
	p := binary.LittleEndian.AppendUint64(nil, parent)
	return hashOf(v.appendRoots(v.appendBody(binary.AppendUvarint(p, v.Number))))
}

// foundingHash returns the lineage of a first view, of which only the list's
// hash and the identities are the same at all founders.
func foundingHash(list uint64, binding Binding) uint64 {
	p := binary.LittleEndian.AppendUint64(nil, list)
	for _, identity := range binding {
		p = binary.LittleEndian.AppendUint64(p, uint64(identity))
	}
	return hashOf(p)
}

func hashOf(p []byte) uint64 {
	hash := fnv.New64a()
	hash.Write(p) // never fails
	return max(hash.Sum64(), 1)
}

func (v *View) appendBody(p []byte) []byte {
	p = binary.LittleEndian.AppendUint64(p, uint64(v.Proposer))
	p = binary.AppendUvarint(p, uint64(v.Clock))
	p = binary.AppendUvarint(p, uint64(len(v.Places)))
	for i := range v.Places {
		place := &v.Places[i]
		p = binary.LittleEndian.AppendUint64(p, uint64(place.Identity))
		role := byte(place.Role)
		if len(place.Returns) > 0 {
			role |= hasReturned
		}
		if len(place.Former) > 0 {
			role |= hadBefore
		}
		if place.Observes {
			role |= observes
		}
		p = append(p, role)
		p = binary.AppendUvarint(p, place.Since)
		p = binary.AppendUvarint(p, uint64(place.Start))
		p = binary.AppendUvarint(p, place.Base)
		p = appendText(appendText(p, place.Name), place.Address)
		p = appendFormer(appendReturns(p, place.Returns), place.Former)
	}
	p = append(p, unused...)
	p = binary.AppendUvarint(p, uint64(len(v.Strikes)))
	for _, s := range v.Strikes {
		p = binary.AppendUvarint(appendText(p, s.Name), s.Count)
	}
	return p
}

// What follows a place has a bit of its role each, and so has who only reads.
const (
	hasReturned = 0x80 // returns
	hadBefore   = 0x40 // former tenants, after the returns
	observes    = 0x20
)

// unused stands behind the places, where what is gone once was to be counted.
const unused = "\x00\x00"

// appendReturns appends how a stream went on, if it did.
func appendReturns(p []byte, returns []Return) []byte {
	if len(returns) == 0 {
		return p
	}
	p = binary.AppendUvarint(p, uint64(len(returns)))
	for _, r := range returns {
		p = binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(p, r.Since), r.Cut), uint64(r.Start))
	}
	return p
}

// appendFormer appends who had a place before, if anybody did.
func appendFormer(p []byte, former []Tenant) []byte {
	if len(former) == 0 {
		return p
	}
	p = binary.AppendUvarint(p, uint64(len(former)))
	for _, t := range former {
		p = binary.AppendUvarint(binary.LittleEndian.AppendUint64(p, uint64(t.Identity)), t.Returns)
	}
	return p
}

func (v *View) appendRoots(p []byte) []byte {
	p = binary.AppendUvarint(p, uint64(len(v.Roots)))
	for _, r := range v.Roots {
		p = binary.AppendUvarint(p, r.Number)
		p = binary.LittleEndian.AppendUint64(p, r.Lineage)
		if r.Number > 1 {
			p = binary.LittleEndian.AppendUint64(binary.AppendUvarint(p, uint64(r.Clock)), r.Hash)
		}
	}
	return p
}

func appendText(p []byte, text string) []byte {
	return append(binary.AppendUvarint(p, uint64(len(text))), text...)
}

// DecodeView reads a view that [AppendView] wrote, and returns what follows it.
// The bytes may be anything.
func DecodeView(p []byte) (v *View, rest []byte, err error) {
	r := viewReader{rest: p}
	v = &View{Number: r.number(), Lineage: r.fixed(), Proposer: Identity(r.fixed()), Clock: clock.Time(r.number())}
	for range r.count(CountMax, 14) {
		place := Place{Identity: Identity(r.fixed()), Role: Role(r.octet()), Since: r.number(), Start: clock.Time(r.number()), Base: r.number()}
		place.Name, place.Address = r.text(), r.text()
		r.tenants(&place)
		v.Places = append(v.Places, place)
	}
	for range len(unused) {
		if r.octet() != 0 {
			r.fail(errors.New("something follows the places that is not known"))
		}
	}
	for range r.count(CountMax, 2) {
		v.Strikes = append(v.Strikes, Strike{Name: r.text(), Count: r.number()})
	}
	for range r.count(CountMax, 9) {
		root := Root{Number: r.number(), Lineage: r.fixed()}
		if root.Number > 1 {
			root.Clock, root.Hash = clock.Time(r.number()), r.fixed()
		}
		v.Roots = append(v.Roots, root)
	}
	if r.err == nil {
		r.err = v.check()
	}
	read := p[:len(p)-len(r.rest)]
	if r.err == nil && !bytes.Equal(read, AppendView(nil, v)) {
		r.err = errors.New("a number is longer than it need be")
	}
	if r.err != nil {
		return nil, nil, fmt.Errorf("view: %w", r.err)
	}
	return v, r.rest, nil
}

// viewReader reads what stands in a view. After a mistake it reads zeros.
type viewReader struct {
	rest []byte
	err  error
}

// tenants reads what the role of a place says follows it.
func (r *viewReader) tenants(p *Place) {
	follows := p.Role & (hasReturned | hadBefore | observes)
	p.Role &^= follows
	p.Observes = follows&observes != 0
	if follows&hasReturned != 0 {
		for range r.count(ReturnsMax, 3) {
			p.Returns = append(p.Returns, Return{Since: r.number(), Cut: r.number(), Start: clock.Time(r.number())})
		}
	}
	if follows&hadBefore != 0 {
		for range r.count(FormerMax, 9) {
			p.Former = append(p.Former, Tenant{Identity: Identity(r.fixed()), Returns: r.number()})
		}
	}
}

var errShort = errors.New("the bytes end too early")

func (r *viewReader) number() uint64 {
	number, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.rest = r.rest[n:]
	return number
}

func (r *viewReader) fixed() uint64 {
	if len(r.rest) < 8 {
		r.fail(errShort)
		return 0
	}
	number := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return number
}

func (r *viewReader) octet() byte {
	if len(r.rest) == 0 {
		r.fail(errShort)
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// count reads how many elements follow, of so many bytes each at least.
func (r *viewReader) count(most, bytesMin uint64) uint64 {
	n := r.number()
	if n > most || n*bytesMin > uint64(len(r.rest)) {
		r.fail(fmt.Errorf("%d elements in %d bytes", n, len(r.rest)))
		return 0
	}
	return n
}

func (r *viewReader) text() string {
	n := r.count(nameBytesMax, 1)
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
}

func (r *viewReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}
