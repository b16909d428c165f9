package explore

import (
	"slices"
	"sync"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/state"
)

// world is what a search knows: its states of members and messages, each kept
// once, and what comes of each action in a state. Several tasks may use it at
// the same time.
type world struct {
	config Config
	batch  []byte // what own batches are made of
	dead   [membersMax * membersMax]bool

	mirror   *state.Mirror // of reducers
	nodes    store[node]
	mails    store[mail]
	outcomes outcomes
	words    sync.Pool // of *state.Words, reused
}

func newWorld(c Config) *world {
	w := &world{config: c, batch: blankBatch()}
	w.words.New = func() any { return new(state.Words) }
	w.mirror = state.NewMirror(w.build(&node{identity: identityOf(0, 0), life: 1}, nil))
	for _, link := range c.Dead {
		w.dead[link.From*membersMax+link.To] = true
	}
	return w
}

func (w *world) isDead(from, to int) bool { return w.dead[from*membersMax+to] }

// keep keeps a state of a member and gives its number.
func (w *world) keep(n *node) uint32 {
	words := w.words.Get().(*state.Words)
	*words = (*words)[:0]
	n.appendState(words, w.mirror)
	n.print = words.Hash()
	w.words.Put(words)
	return w.nodes.put(n.print, n)
}

// post keeps messages and gives their numbers, in the order of sending.
func (w *world) post(sent []*mail) []uint32 {
	if len(sent) == 0 {
		return nil
	}
	numbers := make([]uint32, len(sent))
	for i, m := range sent {
		numbers[i] = w.mails.put(m.print, m)
	}
	return numbers
}

// outcome is what came of an action in a state of a member.
type outcome struct {
	node  uint32
	sent  []uint32
	fault *Fault
}

// after returns what comes of an action in a state of a member; letter is the
// message that it gets, if it gets one.
func (w *world) after(number uint32, a action, peer member.ID, letter uint32) outcome {
	key := cause{number, letter, a, peer}
	if known, ok := w.outcomes.find(key); ok {
		return known
	}
	var m *mail
	if letter != 0 {
		m = w.mails.get(letter)
	}
	h := w.act(w.nodes.get(number), a, peer, m)
	out := outcome{node: w.keep(h.node), sent: w.post(h.sent), fault: h.found}
	w.outcomes.note(key, out)
	return out
}

// cause is an action in a state of a member.
type cause struct {
	node, letter uint32
	action       action
	peer         member.ID
}

// outcomes remembers what came of which cause.
type outcomes struct {
	shards [shards]struct {
		sync.RWMutex // guards known
		known        map[cause]outcome
	}
}

func (o *outcomes) shard(c cause) int {
	return int(state.Mix(uint64(c.node)<<32|uint64(c.letter), uint64(c.action)<<16|uint64(c.peer)) % shards)
}

func (o *outcomes) find(c cause) (outcome, bool) {
	s := &o.shards[o.shard(c)]
	s.RLock()
	defer s.RUnlock()
	out, ok := s.known[c]
	return out, ok
}

func (o *outcomes) note(c cause, out outcome) {
	s := &o.shards[o.shard(c)]
	s.Lock()
	defer s.Unlock()
	if s.known == nil {
		s.known = map[cause]outcome{}
	}
	s.known[c] = out
}

// begin returns the situation in which a search starts.
func (w *world) begin() (situation, *Fault) {
	var s situation
	if w.config.Acquainted {
		dead := w.dead
		if w.config.Joined {
			w.dead = [len(dead)]bool{} // the founders met before
			defer func() { w.dead = dead }()
		}
		p := w.together()
		fault := p.acquaint()
		switch {
		case fault != nil:
		case w.config.Evicted:
			fault = p.evictLast()
		case w.config.Joined:
			fault = p.seatLast()
		}
		for i, n := range p.nodes {
			n.ticked, n.leapt = 0, 0
			s.nodes[i] = w.keep(n)
		}
		for _, letter := range w.post(p.mails) {
			w.send(&s, letter)
		}
		return s, fault
	}
	for i := range w.config.Members {
		h := w.act(w.newNode(member.ID(i)), doBegin, 0, nil)
		s.nodes[i] = w.keep(h.node)
		for _, letter := range w.post(h.sent) {
			w.send(&s, letter)
		}
		if h.found != nil {
			return s, h.found
		}
	}
	return s, nil
}

// letters returns the messages of a set of links, for people and for playing on.
func (w *world) letters(s *situation) []*mail {
	var all []*mail
	for _, letter := range s.mail {
		if letter != 0 {
			all = append(all, w.mails.get(letter))
		}
	}
	return slices.Clip(all)
}
