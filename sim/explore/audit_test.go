package explore

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// shared gives the paths of the memory that two pointers to structs both lead
// to. Paths that begin with an excused one are passed over.
func shared(a, b any, excused []string) []string {
	memory := map[uintptr]uintptr{}
	walk(reflect.ValueOf(a), topOf(a), excused, func(v reflect.Value, _ string) {
		if from, size := block(v); size > 0 {
			memory[from] = max(memory[from], size)
		}
	})
	var paths []string
	walk(reflect.ValueOf(b), topOf(b), excused, func(v reflect.Value, path string) {
		from, size := block(v)
		for start, length := range memory {
			if size > 0 && start < from+size && from < start+length && !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	})
	slices.Sort(paths)
	return paths
}

// block gives the memory that a pointer or slice leads to.
func block(v reflect.Value) (from, size uintptr) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return v.Pointer(), v.Type().Elem().Size()
	case v.Kind() == reflect.Slice:
		return v.Pointer(), uintptr(v.Cap()) * v.Type().Elem().Size()
	}
	return 0, 0
}

func topOf(a any) string { return reflect.TypeOf(a).Elem().Name() }

func isExcused(path string, excused []string) bool {
	return slices.ContainsFunc(excused, func(prefix string) bool {
		rest, ok := strings.CutPrefix(path, prefix)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// walk visits everything that a value leads to, with its path from the top,
// as Delta.links[].row.
func walk(v reflect.Value, path string, excused []string, visit func(reflect.Value, string)) {
	if isExcused(path, excused) {
		return
	}
	visit(v, path)
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), path, excused, visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, excused, visit)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			walk(v.Index(i), path+"[]", excused, visit)
		}
	case reflect.Map, reflect.Interface, reflect.Chan:
		panic(fmt.Sprintf("%s is a %s: what becomes of it in a copy?", path, v.Type()))
	}
}

// witness notes which fields of a reducer the words of its state show. It is
// shown as many states as it takes to meet every field.
type witness struct {
	excused []string
	all     map[string]bool // seen, by path
}

func newWitness(example any, excused []string) *witness {
	w := &witness{excused: excused, all: map[string]bool{}}
	w.list(reflect.TypeOf(example).Elem(), topOf(example))
	return w
}

// list notes the paths of all numbers and truths that a type leads to.
func (w *witness) list(t reflect.Type, path string) {
	if isExcused(path, w.excused) {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			w.list(t.Field(i).Type, path+"."+t.Field(i).Name)
		}
	case reflect.Pointer:
		w.list(t.Elem(), path)
	case reflect.Slice, reflect.Array:
		w.list(t.Elem(), path+"[]")
	default:
		w.all[path] = false
	}
}

// look changes each number and truth for a moment, and notes whether the words
// are others then.
func (w *witness) look(x any, words func() []uint64) {
	before := slices.Clone(words())
	walk(reflect.ValueOf(x), topOf(x), w.excused, func(v reflect.Value, path string) {
		if seen, listed := w.all[path]; listed && !seen {
			w.all[path] = shows(v, before, words)
		}
	})
}

func (w *witness) unseen() []string {
	var paths []string
	for path, seen := range w.all {
		if !seen {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// shows tries a small change and a large one, for some fields only count by
// their order among others.
func shows(v reflect.Value, before []uint64, words func() []uint64) bool {
	field := reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem() //nolint:gosec // there is no other way to a field of another package
	kept := reflect.New(v.Type()).Elem()
	kept.Set(field)
	defer field.Set(kept)
	for _, change := range []uint64{1, 1 << 30} {
		alter(field, change)
		if differs(before, words) {
			return true
		}
		field.Set(kept)
	}
	return false
}

func alter(v reflect.Value, change uint64) {
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.CanInt():
		v.SetInt(v.Int() + int64(change))
	case v.CanUint():
		v.SetUint(v.Uint() ^ change)
	case v.CanFloat():
		v.SetFloat(v.Float() + float64(change))
	default:
		panic(fmt.Sprintf("no change of a %s is known", v.Type()))
	}
}

// differs says whether the words are others now. A changed field may lead them
// into a panic, which shows it just as well.
func differs(before []uint64, words func() []uint64) (other bool) {
	defer func() {
		if recover() != nil {
			other = true
		}
	}()
	return !slices.Equal(before, words())
}

// TestAuditSeesWhatIsLeftOut: an audit that cannot fail proves nothing.
func TestAuditSeesWhatIsLeftOut(t *testing.T) {
	type inner struct{ list []int }
	type outer struct {
		told, forgotten uint64
		inner           *inner
	}
	a := &outer{told: 1, forgotten: 2, inner: &inner{list: []int{1, 2}}}
	b := &outer{told: 1, inner: &inner{list: a.inner.list[1:]}}
	if paths := shared(a, b, nil); !slices.Equal(paths, []string{"outer.inner.list"}) {
		t.Errorf("shared: %v", paths)
	}
	if paths := shared(a, b, []string{"outer.inner"}); paths != nil {
		t.Errorf("excused: %v", paths)
	}
	w := newWitness(a, nil)
	w.look(a, func() []uint64 { return []uint64{a.told, uint64(a.inner.list[0])} })
	if paths := w.unseen(); !slices.Equal(paths, []string{"outer.forgotten"}) {
		t.Errorf("unseen: %v", paths)
	}
}
