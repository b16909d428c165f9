package sim

import "time"

// kind says what an event of the world is.
type kind uint8

const (
	evTick     kind = iota + 1 // of member to
	evWake                     // the loop of member to takes its turn
	evFrame                    // frame arrives at member to
	evSubmit                   // the application of member to broadcasts
	evMember                   // number aux of the schedule's member events
	evFault                    // line aux of the map takes effect
	evChange                   // links change as the schedule says
	evDial                     // from tries to connect to to
	evSilence                  // from notices that it hears nothing of to
	evSample                   // a look into all members
	evGrace                    // the send phase ends
	evClose                    // member to hears that it does
	evHeal                     // all failures are over
	evBackup                   // a copy of the data of member to is kept for number aux of the member events
	evFallBy                   // member to crashes now if it did not before
	evStop                     // member to ends as planned if the others know by now
	evRoom                     // the disk of member to is full, or has room again
	evJoin                     // number aux of those who join asks to be taken in
	evDeadline                 // the run ends
)

// event is something that will happen in the world.
type event struct {
	at    time.Duration
	order uint64 // what was scheduled first comes first at equal times
	kind  kind
	to    uint16
	from  uint16
	frame int32  // index of the frame that arrives
	aux   uint32 // depends on kind: a line, or which connection
	life  uint32 // of to, where the event is for one life only
}

func (e *event) before(other *event) bool {
	return e.at < other.at || e.at == other.at && e.order < other.order
}

// queue is a heap of events with four children a node, which is flatter than
// one with two and so touches less memory.
type queue struct {
	heap  []event
	order uint64
}

func (q *queue) reset() {
	q.heap = q.heap[:0]
	q.order = 0
}

func (q *queue) len() int { return len(q.heap) }

func (q *queue) push(e event) {
	q.order++
	e.order = q.order
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = e
}

func (q *queue) pop() event {
	top := q.heap[0]
	last := len(q.heap) - 1
	e := q.heap[last]
	q.heap = q.heap[:last]
	if last == 0 {
		return top
	}
	i := 0
	for {
		first := 4*i + 1
		if first >= last {
			break
		}
		least := first
		for child := first + 1; child < min(first+4, last); child++ {
			if q.heap[child].before(&q.heap[least]) {
				least = child
			}
		}
		if !q.heap[least].before(&e) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = e
	return top
}
