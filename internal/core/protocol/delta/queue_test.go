package delta

import (
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/proof/draw"
)

// TestQueueIsASliceWithNumbers compares the ring with a slice of all items
// ever pushed: an item keeps its number while others come and go.
func TestQueueIsASliceWithNumbers(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		var q queue[int]
		var items []int
		first := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				item := rapid.Int().Draw(t, "item")
				*q.push() = item
				items = append(items, item)
			},
			"push several": func(*rapid.T) {
				for range 5 {
					*q.push() = len(items)
					items = append(items, len(items))
				}
			},
			"pop": func(t *rapid.T) {
				if first == len(items) {
					t.Skip("empty")
				}
				q.pop()
				first++
			},
			"restart": func(*rapid.T) {
				q.restart(uint64(len(items)))
				first = len(items)
			},
			"": func(t *rapid.T) {
				if q.len() != len(items)-first || q.first != uint64(first) || q.end != uint64(len(items)) {
					t.Fatalf("%d items from %d to %d, want those from %d to %d", q.len(), q.first, q.end, first, len(items))
				}
				for number := first; number < len(items); number++ {
					if got := *q.at(uint64(number)); got != items[number] {
						t.Fatalf("item %d is %d, want %d", number, got, items[number])
					}
				}
			},
		})
	})
}

// TestQueueReusesItsRing: a queue that never holds more than a few items costs
// no memory however many pass through it.
func TestQueueReusesItsRing(t *testing.T) {
	var q queue[int]
	for range 3 {
		q.push()
	}
	if allocations := testing.AllocsPerRun(1000, func() { q.push(); q.pop() }); allocations != 0 {
		t.Errorf("%v allocations for an item that passes through", allocations)
	}
	if len(q.ring) != 8 {
		t.Errorf("a ring of %d places for 4 items", len(q.ring))
	}
}
