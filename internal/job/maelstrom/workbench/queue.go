package workbench

import (
	"container/heap"
	"time"
)

// queue holds what is to be done, the next first.
type queue struct {
	items  items
	number uint64 // of all that was ever pushed
}

// happening is something that is to be done.
type happening struct {
	at     time.Duration
	number uint64
	do     func()
}

func (q *queue) push(at time.Duration, do func()) {
	q.number++
	heap.Push(&q.items, happening{at: at, number: q.number, do: do})
}

// first returns when the next thing is to be done, and whether there is one.
func (q *queue) first() (time.Duration, bool) {
	if len(q.items) == 0 {
		return 0, false
	}
	return q.items[0].at, true
}

// pop takes the next thing out.
func (q *queue) pop() (do func()) {
	return heap.Pop(&q.items).(happening).do
}

// items is the heap, by time and then by number.
type items []happening

// Len returns how many there are.
func (s items) Len() int { return len(s) }

// Less reports whether the first of two comes first.
func (s items) Less(i, j int) bool {
	return s[i].at < s[j].at || s[i].at == s[j].at && s[i].number < s[j].number
}

// Swap swaps two.
func (s items) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

// Push adds one at the end.
func (s *items) Push(x any) { *s = append(*s, x.(happening)) }

// Pop takes the last one.
func (s *items) Pop() any {
	last := len(*s) - 1
	x := (*s)[last]
	(*s)[last] = happening{}
	*s = (*s)[:last]
	return x
}
