package dashboard

import (
	"encoding/json"
	"sync"
)

// reel keeps the latest steps of a film, encoded, for all who watch. One adds,
// many read; nobody who reads can hold up who adds.
type reel struct {
	mu         sync.Mutex // guards all below
	steps      [][]byte
	base       int   // number of the first step that is kept
	bytes      int   // of them
	keys       []key // rising; the first is where a newcomer begins
	generation int   // counts the runs that were shown
	changed    chan struct{}
	closed     bool
}

// key is a step that tells everything as it was before the step of that number.
type key struct {
	number int
	data   []byte
}

const (
	// reelBytesMax is what the kept steps may take. Of a longer run the
	// beginning is forgotten.
	reelBytesMax = 64 << 20
	// keyEvery is how many steps lie between two keys: about a minute.
	keyEvery = 1500
)

func newReel() *reel { return &reel{changed: make(chan struct{})} }

// add keeps a step of the film.
func (r *reel) add(data []byte, from Keyer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, data)
	r.bytes += len(data)
	if next := r.base + len(r.steps); next%keyEvery == 0 {
		data, err := json.Marshal(from.Key())
		if err != nil {
			panic("dashboard: " + err.Error()) // our own type
		}
		r.keys = append(r.keys, key{next, data})
		r.bytes += len(data)
	}
	for r.bytes > reelBytesMax && len(r.keys) > 1 {
		r.forget()
	}
	r.wakeLocked()
}

// forget drops what lies before the second key.
func (r *reel) forget() {
	until := r.keys[1].number
	if r.keys[0].number > r.base {
		until = r.keys[0].number
	} else {
		r.bytes -= len(r.keys[0].data)
		r.keys = r.keys[1:]
	}
	for _, step := range r.steps[:until-r.base] {
		r.bytes -= len(step)
	}
	r.steps = append([][]byte(nil), r.steps[until-r.base:]...)
	r.base = until
}

// restart forgets everything for another run.
func (r *reel) restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps, r.base, r.bytes, r.keys = nil, 0, 0, nil
	r.generation++
	r.wakeLocked()
}

func (r *reel) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.wakeLocked()
}

func (r *reel) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakeLocked()
}

func (r *reel) wakeLocked() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// portion is what a watcher gets next.
type portion struct {
	generation int
	key        []byte // what was before the steps, if their beginning is forgotten
	steps      [][]byte
	next       int           // number of the step after these
	behind     bool          // steps between the last portion and this one are forgotten
	more       chan struct{} // closed when there is more
	closed     bool
}

// portionBytes is about how much a watcher gets at a time.
const portionBytes = 256 << 10

// read returns the steps from a number on. A watcher of another generation
// begins anew; -1 is a newcomer.
func (r *reel) read(from, generation int) portion {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := portion{generation: r.generation, more: r.changed, closed: r.closed}
	newcomer := from < 0 || generation != r.generation
	switch {
	case newcomer:
		from = r.base
	case from < r.base:
		p.behind = true
		return p
	}
	from = min(from, r.base+len(r.steps))
	if newcomer && r.base > 0 {
		p.key = r.keys[0].data
	}
	bytes := 0
	p.next = from
	for _, step := range r.steps[from-r.base:] {
		if bytes += len(step); bytes > portionBytes && p.next > from {
			break
		}
		p.next++
	}
	p.steps = r.steps[from-r.base : p.next-r.base : p.next-r.base]
	return p
}
