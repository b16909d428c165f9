package state

import (
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"chatterbox/internal/core/member"
)

// A Mirror copies values of one type, and writes down their state, by what the
// type is made of: whatever fields it has, or will have. It may be used by
// several goroutines at the same time.
//
// Copies share nothing with the original; pointers that lead to the same place
// do so in the copy as well. In the state every number counts, in the order of
// fields (a list that is not there is an empty one), but for what a field's tag
// says:
//
//	state:"const"      given once and never changed: shared by copies, no state
//	state:"scratch"    memory to be used again: empty in copies, no state
//	state:"hint"       decides nothing, or follows from the rest: no state
//	state:"rank"       counts only by its order among all that have this tag
//	state:"ring"       a ring of which only first to end, fields beside it, count
//	state:"from=head"  a list whose first ones, so many as that field says, are gone
//
// Where a tag is missing nothing is lost: there are more states to search.
type Mirror struct {
	of   reflect.Type
	plan *plan
}

// plan is what to do with values of one type.
type plan struct {
	size  uintptr
	flat  bool                                // has no memory besides its bytes
	copy  func(c *copying, p unsafe.Pointer)  // p is a copy, bit by bit, that is to get memory of its own
	words func(s *spelling, p unsafe.Pointer) // appends what is at p
}

// copying is one copy: where what was met is now.
type copying struct {
	moved map[unsafe.Pointer]unsafe.Pointer
}

// spelling is one state that is written down.
type spelling struct {
	words *Words
	met   map[unsafe.Pointer]uint64
	ranks []int // which words are ranks
}

// NewMirror makes a mirror for what an example, a pointer to a struct, is. It
// panics on what it cannot copy: maps, channels, and functions that no tag says
// are constant.
func NewMirror(example any) *Mirror {
	of := reflect.TypeOf(example).Elem()
	return &Mirror{of: of, plan: plans{}.of(of, of.Name())}
}

// pointer returns where a value lies.
func (m *Mirror) pointer(value any) unsafe.Pointer {
	v := reflect.ValueOf(value)
	if v.Type().Elem() != m.of {
		panic(fmt.Sprintf("state: a mirror of %s was given a %s", m.of, v.Type()))
	}
	return v.UnsafePointer()
}

// Copy returns a value that goes on from here by itself.
func Copy[T any](m *Mirror, value T) T {
	c := copying{moved: map[unsafe.Pointer]unsafe.Pointer{}}
	copied := c.move(m.plan, m.of, m.pointer(value))
	return reflect.NewAt(m.of, copied).Interface().(T)
}

// Append appends the state of a value.
func (m *Mirror) Append(w *Words, value any) {
	s := spelling{words: w, met: map[unsafe.Pointer]uint64{}}
	m.plan.words(&s, m.pointer(value))
	s.rank()
}

// rank puts ranks in the place of numbers that count only by their order. 0 is
// always one of them, for it is what was never set.
func (s *spelling) rank() {
	words := *s.words
	all := make([]uint64, 1, len(s.ranks)+1)
	for _, i := range s.ranks {
		all = append(all, words[i])
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, i := range s.ranks {
		rank, _ := slices.BinarySearch(all, words[i])
		words[i] = uint64(rank)
	}
}

// move copies what a pointer leads to, once.
func (c *copying) move(p *plan, t reflect.Type, from unsafe.Pointer) unsafe.Pointer {
	if to, ok := c.moved[from]; ok {
		return to
	}
	v := reflect.New(t)
	v.Elem().Set(reflect.NewAt(t, from).Elem())
	to := v.UnsafePointer()
	c.moved[from] = to
	if !p.flat {
		p.copy(c, to)
	}
	return to
}

// plans are those that were made, or are being made, by type.
type plans map[reflect.Type]*plan

// of makes the plan of a type; path says where it was met first.
func (all plans) of(t reflect.Type, path string) *plan {
	if known, ok := all[t]; ok {
		return known
	}
	p := &plan{size: t.Size()}
	all[t] = p
	switch t.Kind() {
	case reflect.Struct:
		all.structure(p, t, path)
	case reflect.Pointer:
		all.pointer(p, t, path)
	case reflect.Slice:
		all.list(p, t, path)
	case reflect.Array:
		all.array(p, t, path)
	case reflect.Interface: // what an application prepared: none is in a search
		p.flat = true
		p.words = func(_ *spelling, at unsafe.Pointer) {
			if !reflect.NewAt(t, at).Elem().IsNil() {
				panic("state: " + path + " holds something")
			}
		}
	default:
		p.flat = true
		p.words = number(t, path)
	}
	return p
}

// number returns how a number or truth becomes a word.
func number(t reflect.Type, path string) func(*spelling, unsafe.Pointer) {
	switch t.Kind() {
	case reflect.Bool, reflect.Int8, reflect.Uint8:
		return func(s *spelling, p unsafe.Pointer) { *s.words = append(*s.words, uint64(*(*uint8)(p))) }
	case reflect.Int16, reflect.Uint16:
		return func(s *spelling, p unsafe.Pointer) { *s.words = append(*s.words, uint64(*(*uint16)(p))) }
	case reflect.Int32, reflect.Uint32, reflect.Float32:
		return func(s *spelling, p unsafe.Pointer) { *s.words = append(*s.words, uint64(*(*uint32)(p))) }
	case reflect.Int, reflect.Uint, reflect.Int64, reflect.Uint64, reflect.Float64, reflect.Uintptr:
		return func(s *spelling, p unsafe.Pointer) { *s.words = append(*s.words, *(*uint64)(p)) }
	case reflect.String:
		return func(s *spelling, p unsafe.Pointer) { s.words.Bytes([]byte(*(*string)(p))) }
	}
	panic(fmt.Sprintf("state: %s is a %s: nobody knows how to copy it; is it constant?", path, t))
}

func (all plans) pointer(p *plan, t reflect.Type, path string) {
	elem := all.of(t.Elem(), path)
	p.copy = func(c *copying, at unsafe.Pointer) {
		if to := (*unsafe.Pointer)(at); *to != nil {
			*to = c.move(elem, t.Elem(), *to)
		}
	}
	p.words = func(s *spelling, at unsafe.Pointer) {
		to := *(*unsafe.Pointer)(at)
		met, again := s.met[to]
		switch {
		case to == nil:
			Put(s.words, 0)
		case again:
			Put(s.words, met+1)
		default:
			s.met[to] = uint64(len(s.met) + 1)
			Put(s.words, 1)
			elem.words(s, to)
		}
	}
}

// slice is how a list lies in memory.
type slice struct {
	data     unsafe.Pointer
	len, cap int
}

func (l *slice) at(i int, size uintptr) unsafe.Pointer {
	return unsafe.Add(l.data, uintptr(i)*size)
}

// own gives a list memory of its own, and each item.
func own(c *copying, at unsafe.Pointer, elem *plan, t reflect.Type) {
	l := (*slice)(at)
	if l.data == nil {
		return
	}
	v := reflect.MakeSlice(t, l.len, l.len)
	reflect.Copy(v, reflect.NewAt(t, at).Elem())
	l.data, l.cap = v.UnsafePointer(), l.len
	for i := 0; i < l.len && !elem.flat; i++ {
		elem.copy(c, l.at(i, elem.size))
	}
}

func (all plans) list(p *plan, t reflect.Type, path string) {
	elem := all.of(t.Elem(), path+"[]")
	p.copy = func(c *copying, at unsafe.Pointer) { own(c, at, elem, t) }
	switch {
	case t == reflect.TypeFor[member.Set]():
		p.words = func(s *spelling, at unsafe.Pointer) { s.words.Set(*(*member.Set)(at)) }
	case t.Elem().Kind() == reflect.Uint8:
		p.words = func(s *spelling, at unsafe.Pointer) { s.words.Bytes(*(*[]byte)(at)) }
	default:
		p.words = func(s *spelling, at unsafe.Pointer) { spellFrom(s, (*slice)(at), 0, elem) }
	}
}

// spellFrom spells the items of a list from one on.
func spellFrom(s *spelling, l *slice, from int, elem *plan) {
	Put(s.words, l.len-from)
	for i := from; i < l.len; i++ {
		elem.words(s, l.at(i, elem.size))
	}
}

func (all plans) array(p *plan, t reflect.Type, path string) {
	elem := all.of(t.Elem(), path+"[]")
	p.flat = elem.flat
	each := func(at unsafe.Pointer, do func(unsafe.Pointer)) {
		for i := range t.Len() {
			do(unsafe.Add(at, uintptr(i)*elem.size))
		}
	}
	p.copy = func(c *copying, at unsafe.Pointer) { each(at, func(item unsafe.Pointer) { elem.copy(c, item) }) }
	p.words = func(s *spelling, at unsafe.Pointer) { each(at, func(item unsafe.Pointer) { elem.words(s, item) }) }
}
