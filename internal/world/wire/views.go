package wire

import (
	"encoding/binary"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Limits of what members say of views.
const (
	// ViewsMax is how many views a message may carry.
	ViewsMax = 8
	// BidsMax is how many attempts to change a view a message may tell of.
	BidsMax = 64
	// viewsBytesMax bounds the views of a message, and what it tells of the
	// choice of the next one, in bytes each. What does not fit is left out, for
	// all of it may be lost: older views first, then votes of whom accepted what
	// is not told either.
	viewsBytesMax = 1 << 20
	// viewTextBytesMax is the longest name or address of a change, in bytes.
	viewTextBytesMax = 264
)

// Bits of a bid and of a vote record.
const (
	hasView = 1
	hasOver = 2 // views that it comes over
)

// appendViews writes the newest views that there is room for.
func appendViews(dst []byte, views []*member.View) []byte {
	var encoded [ViewsMax][]byte
	first, bytes := len(views), 0
	for first > 0 && len(views)-first < ViewsMax {
		p := member.AppendView(nil, views[first-1])
		if bytes += len(p); bytes > viewsBytesMax {
			break
		}
		first--
		encoded[len(views)-1-first] = p
	}
	n := len(views) - first
	dst = binary.AppendUvarint(dst, uint64(n))
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, encoded[i]...)
	}
	return dst
}

func (r *reader) views() (views []*member.View) {
	for range r.count(ViewsMax, viewBytesMin, "views: count") {
		views = append(views, r.view("views"))
	}
	return views
}

// viewBytesMin is less than the shortest view has.
const viewBytesMin = 24

func (r *reader) view(what string) *member.View {
	if r.err != nil {
		return nil
	}
	v, rest, err := member.DecodeView(r.rest)
	if err != nil {
		r.fail("%s: %v", what, err)
		return nil
	}
	r.rest = rest
	return v
}

func appendBallot(dst []byte, b protocol.Ballot) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, b.Round), uint64(b.Place))
}

func (r *reader) ballot(what string) protocol.Ballot {
	return protocol.Ballot{Round: r.varint(what), Place: r.id(what)}
}

func appendChange(dst []byte, c *member.Change) []byte {
	dst = append(dst, byte(c.Kind))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(c.Identity))
	dst = appendText(appendText(dst, c.Name), c.Address)
	dst = binary.AppendUvarint(dst, c.Strikes)
	if c.Kind != member.Force {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.Survivors)))
	for _, one := range c.Survivors {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(one))
	}
	return dst
}

func (r *reader) change() member.Change {
	c := member.Change{
		Kind: member.ChangeKind(r.byte("change: kind")), Identity: member.Identity(r.fixed("change: identity")),
		Name: r.text(viewTextBytesMax, "change: name"), Address: r.text(viewTextBytesMax, "change: address"),
		Strikes: r.varint("change: strikes"),
	}
	if c.Kind == member.Force {
		for range r.count(member.CountMax, 8, "change: number of survivors") {
			c.Survivors = append(c.Survivors, member.Identity(r.fixed("change: survivor")))
		}
	}
	return c
}

func appendBid(dst []byte, b *protocol.Bid) []byte {
	dst = appendChange(appendBallot(dst, b.Ballot), &b.Change)
	return appendMaybeView(dst, b.View, b.Over)
}

// appendMaybeView writes whether there is a view, and the view, and those that it comes
// over if there are any.
func appendMaybeView(dst []byte, v *member.View, over []*member.View) []byte {
	switch {
	case v == nil:
		return append(dst, 0)
	case len(over) == 0:
		return member.AppendView(append(dst, hasView), v)
	}
	dst = binary.AppendUvarint(member.AppendView(append(dst, hasView|hasOver), v), uint64(len(over)))
	for _, before := range over {
		dst = member.AppendView(dst, before)
	}
	return dst
}

func (r *reader) maybeView(what string) (v *member.View, over []*member.View) {
	bits := r.byte(what)
	switch {
	case r.err != nil || bits == 0:
		return nil, nil
	case bits&hasView == 0 || bits > hasView|hasOver:
		r.fail("%s: unknown bits %#x", what, bits)
		return nil, nil
	}
	v = r.view(what)
	if bits&hasOver == 0 {
		return v, nil
	}
	count := r.count(member.CountMax, viewBytesMin, what)
	if r.err == nil && count == 0 {
		r.fail("%s: comes over no views", what)
	}
	for range count {
		over = append(over, r.view(what))
	}
	return v, over
}

// appendChoice writes the newest bids that there is room for, and the votes that
// need no other ones.
func appendChoice(dst []byte, c *protocol.Choice) []byte {
	dst = binary.LittleEndian.AppendUint64(binary.AppendUvarint(dst, c.Number), c.Lineage)
	first, bytes := len(c.Bids), 0
	for first > 0 && len(c.Bids)-first < BidsMax {
		if bytes += len(appendBid(nil, &c.Bids[first-1])); bytes > viewsBytesMax {
			break
		}
		first--
	}
	bids := c.Bids[first:]
	dst = binary.AppendUvarint(dst, uint64(len(bids)))
	for i := range bids {
		dst = appendBid(dst, &bids[i])
	}
	count, votes := uint64(0), []byte(nil)
	for i := range c.Votes {
		if v := &c.Votes[i]; v.Accepted == (protocol.Ballot{}) || tellsOf(bids, v.Accepted) {
			if more := appendVote(votes, v); len(more) <= viewsBytesMax {
				count, votes = count+1, more
			}
		}
	}
	return append(binary.AppendUvarint(dst, count), votes...)
}

func tellsOf(bids []protocol.Bid, b protocol.Ballot) bool {
	for i := range bids {
		if bids[i].Ballot == b {
			return true
		}
	}
	return false
}

func (r *reader) choice() *protocol.Choice {
	c := &protocol.Choice{Number: r.varint("choice: number of the view"), Lineage: r.fixed("choice: lineage of the view")}
	for range r.count(BidsMax, bidBytesMin, "choice: number of bids") {
		b := protocol.Bid{Ballot: r.ballot("bid: ballot"), Change: r.change()}
		b.View, b.Over = r.maybeView("bid: view")
		c.Bids = append(c.Bids, b)
	}
	for range r.count(member.CountMax, voteBytesMin, "choice: number of votes") {
		c.Votes = append(c.Votes, r.vote())
	}
	return c
}

// bidBytesMin and voteBytesMin are the shortest bid and vote.
const (
	bidBytesMin  = 2 + 1 + 8 + 2 + 1 + 1
	voteBytesMin = 8 + 2 + 2 + 1 + 1
)

func appendVote(dst []byte, v *protocol.Vote) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(v.Identity))
	dst = appendBallot(appendBallot(dst, v.Promised), v.Accepted)
	dst = binary.AppendUvarint(dst, uint64(v.Clock))
	if v.Now == nil {
		return appendHave(binary.AppendUvarint(dst, uint64(len(v.Have))), v.Have)
	}
	dst = appendHave(binary.AppendUvarint(dst, halted+uint64(len(v.Have))), v.Have)
	return appendHave(binary.AppendUvarint(dst, uint64(v.NowClock)), v.Now)
}

// halted is added to the number of streams of a vote if a time and what was held then
// of as many streams follow: its member promised to go on by force.
const halted = 1 << 32

func appendHave(dst []byte, have []uint64) []byte {
	for _, entries := range have {
		dst = binary.AppendUvarint(dst, entries)
	}
	return dst
}

func (r *reader) vote() protocol.Vote {
	v := protocol.Vote{
		Identity: member.Identity(r.fixed("vote: identity")), Promised: r.ballot("vote: promised"), Accepted: r.ballot("vote: accepted"),
		Clock: r.time("vote: clock"),
	}
	streams := r.varint("vote: number of streams")
	isHalted := streams >= halted
	if isHalted {
		streams -= halted
	}
	if streams > min(member.CountMax, uint64(len(r.rest))) || isHalted && streams == 0 {
		r.fail("vote: number of streams is %d, but only %d bytes follow", streams, len(r.rest))
		return v
	}
	for range streams {
		v.Have = append(v.Have, r.varint("vote: have"))
	}
	if isHalted {
		v.NowClock = r.time("vote: clock when it was halted")
		for range streams {
			v.Now = append(v.Now, r.varint("vote: have when it was halted"))
		}
	}
	return v
}

// AppendVoteRecord appends what of a vote is durable.
func AppendVoteRecord(dst []byte, v *protocol.VoteRecord) []byte {
	dst = binary.LittleEndian.AppendUint64(binary.AppendUvarint(dst, v.Number), v.Lineage)
	return appendMaybeView(appendVote(dst, &v.Vote), v.View, v.Over)
}

// DecodeVoteRecord reads what AppendVoteRecord wrote. Errors wrap ErrMalformed.
func DecodeVoteRecord(p []byte) (*protocol.VoteRecord, error) {
	r := reader{rest: p}
	v := &protocol.VoteRecord{
		Number: r.varint("vote record: number"), Lineage: r.fixed("vote record: lineage"),
		Vote: r.vote(),
	}
	v.View, v.Over = r.maybeView("vote record: view")
	if err := r.end("vote record"); err != nil {
		return nil, err
	}
	return v, nil
}
