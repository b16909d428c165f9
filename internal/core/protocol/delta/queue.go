package delta

// queue is a ring of items that are pushed at the end and popped at the front.
// An item keeps its number for ever: first is the number of the front item.
type queue[T any] struct {
	ring  []T `state:"ring"` // its length is a power of two
	first uint64
	end   uint64 // the number that the next item will have
}

func (q *queue[T]) len() int { return int(q.end - q.first) }

// at returns the item with a number from first up to, not including, end.
func (q *queue[T]) at(number uint64) *T { return &q.ring[number&uint64(len(q.ring)-1)] }

// push makes room for one more item and gives it, with whatever an earlier
// item left there, so that its slices can be used again.
func (q *queue[T]) push() *T {
	if q.len() == len(q.ring) {
		q.grow()
	}
	q.end++
	return q.at(q.end - 1)
}

func (q *queue[T]) pop() { q.first++ }

func (q *queue[T]) grow() {
	ring := make([]T, max(8, 2*len(q.ring)))
	for number := q.first; number < q.end; number++ {
		ring[number&uint64(len(ring)-1)] = *q.at(number)
	}
	q.ring = ring
}

// restart empties the queue; the next item has the number next.
func (q *queue[T]) restart(next uint64) { q.first, q.end = next, next }
