package state_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/state"
)

// thing has a field of each kind.
type thing struct {
	given   []int `state:"const"`
	used    []int `state:"scratch"`
	counted int   `state:"hint"`

	truth   bool
	small   int8
	number  uint32
	rate    float64
	name    string
	pair    [2]int16
	list    []part
	spare   []int
	bytes   []byte
	set     member.Set
	left    *part
	right   *part // may be the same as left
	any     any
	changed uint64   `state:"rank"`
	stamps  []uint64 `state:"rank"`
	queue   queue
	line    line
}

type part struct {
	value int
	more  []int
}

type queue struct {
	ring       []part `state:"ring"`
	first, end uint64
}

type line struct {
	items []int `state:"from=head"`
	head  int   `state:"hint"`
}

func example() *thing {
	shared := &part{value: 1, more: []int{2}}
	return &thing{
		given: []int{1}, used: []int{2}, counted: 3,
		name: "n", any: nil, list: []part{{value: 4, more: []int{5}}}, bytes: []byte("b"), set: member.Set{1}, left: shared, right: shared,
		changed: 7, stamps: []uint64{3, 7},
		queue: queue{ring: []part{{value: 6}, {value: 7, more: []int{8}}}, first: 3, end: 4},
		line:  line{items: []int{0, 9}, head: 1},
	}
}

func words(value any) string {
	var w state.Words
	state.NewMirror(&thing{}).Append(&w, value)
	return fmt.Sprint(w)
}

// TestCopyHasMemoryOfItsOwn: whatever is changed in the original, the copy
// stays, but for what is given once.
func TestCopyHasMemoryOfItsOwn(t *testing.T) {
	original := example()
	copied := state.Copy(state.NewMirror(original), original)
	before := words(copied)
	if before != words(original) {
		t.Error("the copy is in another state")
	}
	original.list[0].value, original.list[0].more[0], original.bytes[0], original.set[0] = 0, 0, 0, 0
	original.left.value, original.left.more[0], original.stamps[0] = 0, 0, 0
	original.queue.ring[1] = part{}
	original.line.items[1] = 0
	if words(copied) != before {
		t.Errorf("the copy changed from %s to %s", before, words(copied))
	}
	switch {
	case copied.left != copied.right:
		t.Error("one place became two")
	case copied.used != nil || copied.counted != 3 || &copied.given[0] != &original.given[0]:
		t.Errorf("%v, %d, %v", copied.used, copied.counted, copied.given)
	case copied.queue.ring[0].value != 0:
		t.Error("what has left the queue is copied")
	}
}

// TestWordsTellWhatCounts: each change that decides something makes another
// state, and no other change does.
func TestWordsTellWhatCounts(t *testing.T) {
	sound := words(example())
	seen := []string{sound}
	for name, change := range map[string]func(*thing){
		"truth":                 func(x *thing) { x.truth = true },
		"small":                 func(x *thing) { x.small = -1 },
		"number":                func(x *thing) { x.number = 1 << 31 },
		"rate":                  func(x *thing) { x.rate = 0.5 },
		"name":                  func(x *thing) { x.name = "m" },
		"pair":                  func(x *thing) { x.pair[1] = -1 },
		"item":                  func(x *thing) { x.list[0].value++ },
		"item's list":           func(x *thing) { x.list[0].more = append(x.list[0].more, 1) },
		"no list":               func(x *thing) { x.list = nil },
		"bytes":                 func(x *thing) { x.bytes[0]++ },
		"set":                   func(x *thing) { x.set.Add(3) },
		"pointer":               func(x *thing) { x.left.value++ },
		"no pointer":            func(x *thing) { x.left = nil },
		"two places":            func(x *thing) { x.right = &part{value: 1, more: []int{2}} },
		"another order":         func(x *thing) { x.stamps[0] = 8 },
		"queue":                 func(x *thing) { x.queue.ring[1].more[0]++ },
		"longer queue":          func(x *thing) { x.queue.end++ },
		"line":                  func(x *thing) { x.line.items[1]++ },
		"= empty list":          func(x *thing) { x.spare = []int{} },
		"= scratch":             func(x *thing) { x.used[0]++ },
		"= hint":                func(x *thing) { x.counted++ },
		"= const":               func(x *thing) { x.given = nil },
		"= members that left":   func(x *thing) { x.set.Add(100); x.set.Remove(100) },
		"= same order":          func(x *thing) { x.changed, x.stamps[0], x.stamps[1] = 70, 30, 70 },
		"= what left the queue": func(x *thing) { x.queue.ring[0].value++ },
		"= what left the line":  func(x *thing) { x.line.items = x.line.items[1:]; x.line.head = 0 },
	} {
		x := example()
		change(x)
		got := words(x)
		if strings.HasPrefix(name, "= ") {
			if got != sound {
				t.Errorf("%s makes another state", name)
			}
			continue
		}
		if slices.Contains(seen, got) {
			t.Errorf("%s makes no state of its own", name)
		}
		seen = append(seen, got)
	}
}

// TestMirrorRefusesWhatItCannotCopy at once, not in the middle of a search.
func TestMirrorRefusesWhatItCannotCopy(t *testing.T) {
	for want, example := range map[string]any{
		"is a map":  &struct{ table map[int]int }{},
		"is a func": &struct{ do func() }{},
		"nobody knows": &struct {
			x int `state:"hnit"`
		}{},
		"a field \"head\"": &struct {
			list []int `state:"from=head"`
		}{},
	} {
		func() {
			defer func() {
				if cause := fmt.Sprint(recover()); !strings.Contains(cause, want) {
					t.Errorf("panic %q, want one with %q", cause, want)
				}
			}()
			state.NewMirror(example)
		}()
	}
}
