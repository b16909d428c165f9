package state

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// field is a part of a struct.
type field struct {
	copy  func(c *copying, whole unsafe.Pointer) // nil: a copy bit by bit will do
	words func(s *spelling, whole unsafe.Pointer)
}

// structure makes the plan of a struct out of those of its fields.
func (all plans) structure(p *plan, t reflect.Type, path string) {
	var fields []field
	flat := true
	for i := range t.NumField() {
		f := all.field(t, t.Field(i), path+"."+t.Field(i).Name)
		flat = flat && f.copy == nil
		fields = append(fields, f)
	}
	p.flat = flat
	p.copy = func(c *copying, at unsafe.Pointer) {
		for i := range fields {
			if f := &fields[i]; f.copy != nil {
				f.copy(c, at)
			}
		}
	}
	p.words = func(s *spelling, at unsafe.Pointer) {
		for i := range fields {
			if f := &fields[i]; f.words != nil {
				f.words(s, at)
			}
		}
	}
}

// field makes the plan of a field, as its tag says.
func (all plans) field(whole reflect.Type, of reflect.StructField, path string) field {
	tag, from, _ := strings.Cut(of.Tag.Get("state"), "=")
	switch tag {
	case "const":
		return field{}
	case "scratch":
		return field{copy: func(_ *copying, at unsafe.Pointer) {
			reflect.NewAt(of.Type, unsafe.Add(at, of.Offset)).Elem().SetZero()
		}}
	}
	inner := all.of(of.Type, path)
	f := field{words: func(s *spelling, at unsafe.Pointer) { inner.words(s, unsafe.Add(at, of.Offset)) }}
	if !inner.flat {
		f.copy = func(c *copying, at unsafe.Pointer) { inner.copy(c, unsafe.Add(at, of.Offset)) }
	}
	switch tag {
	case "":
	case "hint":
		f.words = nil
	case "rank":
		spell, isList := f.words, of.Type.Kind() == reflect.Slice
		f.words = func(s *spelling, at unsafe.Pointer) {
			next := len(*s.words)
			spell(s, at)
			if isList {
				next++ // the length is no rank
			}
			for ; next < len(*s.words); next++ {
				s.ranks = append(s.ranks, next)
			}
		}
	case "from":
		elem, gone := all[of.Type.Elem()], offset(whole, from, path)
		f.words = func(s *spelling, at unsafe.Pointer) {
			spellFrom(s, (*slice)(unsafe.Add(at, of.Offset)), *(*int)(unsafe.Add(at, gone)), elem)
		}
	case "ring":
		return all.ring(whole, of, path)
	default:
		panic(fmt.Sprintf("state: %s has the tag %q, which nobody knows", path, tag))
	}
	return f
}

// ring makes the plan of a list in which an item lies at its number modulo the
// length, and only the numbers from the field first up to the field end count.
func (all plans) ring(whole reflect.Type, of reflect.StructField, path string) field {
	elem := all[of.Type.Elem()]
	first, end := offset(whole, "first", path), offset(whole, "end", path)
	each := func(at unsafe.Pointer, do func(item unsafe.Pointer, place int)) {
		ring := (*slice)(unsafe.Add(at, of.Offset))
		for number := *(*uint64)(unsafe.Add(at, first)); number < *(*uint64)(unsafe.Add(at, end)); number++ {
			place := int(number % uint64(ring.len))
			do(ring.at(place, elem.size), place)
		}
	}
	return field{
		words: func(s *spelling, at unsafe.Pointer) {
			each(at, func(item unsafe.Pointer, _ int) { elem.words(s, item) })
		},
		copy: func(c *copying, at unsafe.Pointer) {
			ring := (*slice)(unsafe.Add(at, of.Offset))
			old := reflect.NewAt(of.Type, unsafe.Add(at, of.Offset)).Elem()
			kept := reflect.MakeSlice(of.Type, ring.len, ring.len)
			each(at, func(_ unsafe.Pointer, place int) { kept.Index(place).Set(old.Index(place)) })
			ring.data, ring.cap = kept.UnsafePointer(), ring.len
			if !elem.flat {
				each(at, func(item unsafe.Pointer, _ int) { elem.copy(c, item) })
			}
		},
	}
}

// offset returns where a field lies in a struct.
func offset(whole reflect.Type, name, path string) uintptr {
	f, ok := whole.FieldByName(name)
	if !ok || f.Type.Size() != unsafe.Sizeof(uint64(0)) {
		panic(fmt.Sprintf("state: %s is a list with a field %q of its own, which is not there or no number", path, name))
	}
	return f.Offset
}
