package maelstrom

import (
	"time"

	"chatterbox/internal/core/member"
)

// Types of the messages that nodes send each other.
const (
	typeBag  = "chatterbox_bag"  // letters
	typeHeld = "chatterbox_held" // the answer of a witness
)

// bag is a line with letters, of one sender or of many.
type bag struct {
	Type    string   `json:"type"`
	Turn    uint64   `json:"turn"`
	Wait    int64    `json:"wait,omitempty"` // how long its office waits at least, in microseconds
	Haste   haste    `json:"haste,omitempty"`
	Letters []letter `json:"letters,omitempty"`
}

// haste says how long letters may wait in an office.
type haste int

const (
	calm   haste = iota // until it leaves
	riding              // the same, but values are among them: if it has left, they become urgent
	urgent              // not longer than it must
)

// The office gathers letters of all and takes them round: instead of a message
// from each member to each other one, there is one from each to the office, and
// one from there to each. It is another member each turn, so that nobody has more
// to do than others, and nobody is waited for for long: the bags in which the
// office of a turn takes letters round tell that the next turn begins. Turns are
// numbered; a higher number is right. Who gave letters to the office and does not
// hear that its turn has ended takes the letters round itself.
//
// A member hands its letters over when a turn begins, all at the same time, so
// that the office has them all when it leaves; later ones wait for the next turn.
// What comes to an office that has left goes on to the next one. No letter is
// certain to arrive: the protocol is made for that.
const (
	officeFrom = 5 // members from which on there is an office

	rideFromTicks  = 5 // of a turn, until rideUntilTicks: values go with an office that is about to leave, at pauseTicks
	rideUntilTicks = 6.5
	officeTicks    = 1.5 // from the beginning of its turn until an office leaves, at least
	officeTicksMax = 2.5 // the same, where letters were late otherwise
	lateShare      = 3   // as soon as more than one in so many is
	gatherTicks    = 0.5 // from the first urgent letter until it leaves, and until which members hand over
	lullTicks      = 3   // a turn that is older waits for letters
	vainTicks      = 4   // from when the turn could have ended until the office is taken for gone

	lengthMax = 2 * time.Second // of a turn that says how long turns are
	leapMax   = 1 << 40         // turns that are passed over at once, by whoever was away
	mailMax   = 1 << 14         // letters that an office keeps; the protocol sends others again
)

// post is a member's part in carrying letters.
type post struct {
	members uint64
	turn    uint64
	since   time.Duration // when the turn began here
	length  time.Duration // how long busy turns are, smoothed
	wait    time.Duration // how long the office waits at least
	timely  int           // urgent bags that came to this office from their senders
	late    int           // and from the office before, which had left

	mail   []letter      // of others and for others, as long as this member is the office
	urgent time.Duration // when the first urgent one came; never: none did
	calm   time.Duration // when the first other one came

	handed   []letter // what this member gave to the office of this turn
	handedAt time.Duration
	hasty    bool // it was urgent

	suspects member.Set // members that were the office in vain and were not heard since
}

func newPost(members int) post {
	return post{members: uint64(members), urgent: never, calm: never}
}

// office returns who gathers in this turn.
func (p *post) office() member.ID { return member.ID(p.turn % p.members) }

// next returns the turn after this one: of the next member that is not suspected.
func (p *post) next(self member.ID) uint64 {
	turn := p.turn + 1
	for office := member.ID(turn % p.members); office != self && p.suspects.Has(office); office = member.ID(turn % p.members) {
		turn++
	}
	return turn
}

// offices reports whether the cluster is large enough for an office.
func (c *cluster) offices() bool { return len(c.names) >= officeFrom }

// goesStraight reports whether values go straight to all.
func (n *Node) goesStraight() bool { return !n.cfg.Frugal || !n.cluster.offices() }

// gathers reports whether this member is the office.
func (c *cluster) gathers() bool { return c.offices() && c.post.office() == c.self }

// onBag takes in letters, and passes on those that are for others.
func (n *Node) onBag(m *message, from member.ID) error {
	c := n.cluster
	body, err := fields[bag](m)
	if err != nil {
		return err
	}
	c.post.suspects.Remove(from)
	c.spokenTo.add(n.now)
	if body.Turn > c.post.turn && body.Turn-c.post.turn <= leapMax {
		c.post.wait = min(time.Duration(body.Wait)*time.Microsecond, n.cfg.ticks(officeTicksMax))
		n.begin(body.Turn)
	}
	var onward []letter
	for i := range body.Letters {
		l := &body.Letters[i]
		sender, known := c.places[l.From]
		to, member := c.places[l.To]
		switch {
		case !known || !member:
		case to != c.self:
			onward = append(onward, *l)
		case sender != c.self:
			if wrong := n.open(sender, l); wrong != nil {
				err = wrong
			}
		}
	}
	if len(onward) > 0 && c.offices() {
		c.post.count(body.Haste, onward[0].From == m.Src)
		n.forward(onward, body.Haste)
	}
	return err
}

// begin begins a turn. What was gathered for an earlier one goes to the office
// of this one.
func (n *Node) begin(turn uint64) {
	c := n.cluster
	p := &c.post
	if length := n.now - p.since; p.hasty && length < lengthMax {
		p.length += (length - p.length) / 4
	}
	p.turn, p.since, p.handed, p.hasty, p.timely, p.late = turn, n.now, nil, false, 0, 0
	if mail := p.mail; len(mail) > 0 && !c.gathers() {
		how := riding
		if p.urgent != never {
			how = urgent
		}
		p.mail, p.urgent, p.calm = nil, never, never
		n.forward(mail, how)
	}
}

// count notes whether urgent letters came in time.
func (p *post) count(how haste, fromSender bool) {
	switch {
	case how != urgent:
	case fromSender:
		p.timely++
	default:
		p.late++
	}
}

// learn adapts how long an office waits: a good deal longer when many letters
// were late for the one before, a little less when none was.
func (p *post) learn(least, most time.Duration) {
	switch {
	case p.late*lateShare > p.late+p.timely:
		p.wait += p.wait / 4
	case p.late == 0:
		p.wait -= p.wait / 16
	}
	p.wait = max(least, min(p.wait, most))
}

// forward gathers letters of others, or passes them on to who does.
func (n *Node) forward(letters []letter, how haste) {
	if n.cluster.gathers() {
		n.gather(letters, how)
		return
	}
	if how == riding {
		how = urgent
	}
	n.tellBag(n.cluster.post.office(), letters, how)
}

// gather keeps letters until this member leaves as the office.
func (n *Node) gather(letters []letter, how haste) {
	p := &n.cluster.post
	room := max(0, mailMax-len(p.mail))
	p.mail = append(p.mail, letters[:min(len(letters), room)]...)
	p.calm = min(p.calm, n.now)
	if how == urgent {
		p.urgent = min(p.urgent, n.now)
	}
}

// straight sends the letters of a round straight to their receivers.
func (n *Node) straight() {
	c := n.cluster
	for i := range c.out {
		n.tellBag(c.places[c.out[i].To], c.out[i:i+1], calm)
	}
}

// hand gives the letters of a round to the office.
func (n *Node) hand(how haste) {
	c := n.cluster
	p := &c.post
	switch {
	case len(c.out) == 0:
	case c.gathers():
		n.gather(c.out, how)
	default:
		if len(p.handed) == 0 {
			p.handedAt = n.now
		}
		p.handed = append(p.handed, c.out...)
		p.hasty = p.hasty || how == urgent
		n.tellBag(p.office(), c.out, how)
	}
}

// leave ends the turn of this member as the office: it takes round what was
// gathered and what it has to say itself, and the next turn begins.
func (n *Node) leave() {
	c := n.cluster
	p := &c.post
	n.round()
	letters := append(p.mail, c.out...)
	hasty := p.urgent != never
	p.learn(n.cfg.ticks(officeTicks), n.cfg.ticks(officeTicksMax))
	p.mail, p.urgent, p.calm = nil, never, never
	n.begin(p.next(c.self))
	p.hasty = hasty
	bags := make([][]letter, len(c.names))
	for _, l := range letters {
		to := c.places[l.To]
		bags[to] = append(bags[to], l)
	}
	for i := range bags {
		to := member.ID(i)
		if to != c.self && (len(bags[i]) > 0 || !p.suspects.Has(to)) {
			n.tellBag(to, bags[i], calm)
		}
	}
}

// replace takes round the letters that were given to an office in vain.
func (n *Node) replace() {
	c := n.cluster
	p := &c.post
	p.suspects.Add(p.office())
	letters := p.handed
	turn := p.turn + 1
	for member.ID(turn%p.members) != c.self {
		turn++
	}
	n.begin(turn)
	n.gather(letters, calm)
	n.leave()
}

// tellBag sends letters to a member, in as many lines as they need.
func (n *Node) tellBag(to member.ID, letters []letter, how haste) {
	b := bag{Type: typeBag, Turn: n.cluster.post.turn, Wait: n.cluster.post.wait.Microseconds(), Haste: how}
	for size := 0; len(letters) > 0; letters = letters[1:] {
		more := letters[0].size()
		if len(b.Letters) > 0 && size+more > bagBytesMax {
			n.tell(to, b)
			b.Letters, size = nil, 0
		}
		b.Letters, size = append(b.Letters, letters[0]), size+more
	}
	n.tell(to, b)
}

const (
	bagBytesMax    = LineBytesMax - 1<<10 // of letters in a line
	letterBytes    = 256                  // of a letter, besides what it carries
	shelfLineBytes = 64                   // of a life on the shelf, besides values
)

// size returns how long the letter is in a line, at most.
func (l *letter) size() int {
	size := letterBytes + len(l.Frame)*4/3
	if l.Shelf != nil {
		size += shelfLineBytes * (len(l.Shelf.Have) + 2*len(l.Shelf.Adds))
		for i := range l.Shelf.Adds {
			for _, value := range l.Shelf.Adds[i].Values {
				size += len(value) + 1
			}
		}
	}
	return size
}
