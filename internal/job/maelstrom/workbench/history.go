package workbench

import "time"

// result says what became of an operation.
type result uint8

const (
	invoked result = iota // it begins
	done
	refused // it certainly did not happen
	unknown // it may have happened, or may still happen
)

// operation is one that begins or ends.
type operation struct {
	at         time.Duration
	node       int
	result     result
	invocation int  // the place of its beginning in the history
	write      bool // else it reads, or generates an identifier
	generate   bool
	final      bool // a read after all is over
	value      int  // written
	read       []int
	id         string // generated
}

// history is what clients did, in order.
type history []operation

// element is what is known of one value, after Jepsen's checker set-full.
type element struct {
	value   int
	node    int // that was asked to write it
	invoked time.Duration

	acknowledged bool
	known        *operation // the first that shows that it was written: the answer, or a read
	knownAt      int        // its place
	present      int        // place of the latest beginning of a read that shows it; -1: none
	absent       int        // the same for one that does not
}

// outcome is what became of a value.
type outcome uint8

const (
	stable    outcome = iota // from some time on every read shows it
	lost                     // from some time on no read shows it
	neverRead                // nobody read since it was known
)

// elements goes through a history and gives its values in the order of writing.
func (h history) elements() []*element {
	var all []*element
	byValue := make(map[int]*element)
	for i := range h {
		o := &h[i]
		switch {
		case o.write && o.result == invoked:
			e := &element{value: o.value, node: o.node, invoked: o.at, present: -1, absent: -1}
			all, byValue[o.value] = append(all, e), e
		case o.write && o.result == done:
			byValue[o.value].acknowledged = true
			byValue[o.value].know(o, i)
		case !o.write && !o.generate && o.result == done:
			shown := setOf(o.read)
			for _, e := range all {
				e.look(o, i, shown[e.value])
			}
		}
	}
	return all
}

func setOf(values []int) map[int]bool {
	set := make(map[int]bool, len(values))
	for _, value := range values {
		set[value] = true
	}
	return set
}

func (e *element) know(o *operation, at int) {
	if e.known == nil {
		e.known, e.knownAt = o, at
	}
}

// look takes in a read that ended.
func (e *element) look(o *operation, at int, shows bool) {
	if !shows {
		e.absent = max(e.absent, o.invocation)
		return
	}
	e.know(o, at)
	e.present = max(e.present, o.invocation)
}

// outcome returns what became of the value. A read that began before the value was
// known need not show it.
func (e *element) outcome() outcome {
	switch {
	case e.present >= 0 && e.absent < e.present:
		return stable
	case e.known != nil && e.absent >= 0 && e.present < e.absent && e.knownAt < e.absent:
		return lost
	}
	return neverRead
}

// latency returns how long after a time there was still a read that began and
// did not show the value; 0 if there was none.
func (e *element) latency(h history, since time.Duration) time.Duration {
	if e.absent < 0 {
		return 0
	}
	return max(0, h[e.absent].at+1-since)
}
