package explore

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// shared returns the paths of the memory that two pointers to structs both lead
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

// block returns the memory that a pointer or slice leads to.
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
	case reflect.Interface: // what an application prepared of a batch: none is here
		if !v.IsNil() {
			panic(fmt.Sprintf("%s is a %s: what becomes of it in a copy?", path, v.Type()))
		}
	case reflect.Map, reflect.Chan:
		panic(fmt.Sprintf("%s is a %s: what becomes of it in a copy?", path, v.Type()))
	}
}

// TestAuditSeesWhatIsShared: an audit that cannot fail proves nothing.
func TestAuditSeesWhatIsShared(t *testing.T) {
	type inner struct{ list []int }
	type outer struct{ inner *inner }
	a := &outer{inner: &inner{list: []int{1, 2}}}
	b := &outer{inner: &inner{list: a.inner.list[1:]}}
	if paths := shared(a, b, nil); !slices.Equal(paths, []string{"outer.inner.list"}) {
		t.Errorf("shared: %v", paths)
	}
	if paths := shared(a, b, []string{"outer.inner"}); paths != nil {
		t.Errorf("excused: %v", paths)
	}
}
