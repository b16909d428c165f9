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
const hasView = 1

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
	return binary.AppendUvarint(dst, c.Strikes)
}

func (r *reader) change() member.Change {
	return member.Change{
		Kind: member.ChangeKind(r.byte("change: kind")), Identity: member.Identity(r.fixed("change: identity")),
		Name: r.text(viewTextBytesMax, "change: name"), Address: r.text(viewTextBytesMax, "change: address"),
		Strikes: r.varint("change: strikes"),
	}
}

func appendBid(dst []byte, b *protocol.Bid) []byte {
	dst = appendChange(appendBallot(dst, b.Ballot), &b.Change)
	return appendMaybeView(dst, b.View)
}

// appendMaybeView writes whether there is a view, and the view.
func appendMaybeView(dst []byte, v *member.View) []byte {
	if v == nil {
		return append(dst, 0)
	}
	return member.AppendView(append(dst, hasView), v)
}

func (r *reader) maybeView(what string) *member.View {
	switch bits := r.byte(what); {
	case r.err != nil || bits == 0:
		return nil
	case bits != hasView:
		r.fail("%s: unknown bits %#x", what, bits)
		return nil
	}
	return r.view(what)
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
		c.Bids = append(c.Bids, protocol.Bid{Ballot: r.ballot("bid: ballot"), Change: r.change(), View: r.maybeView("bid: view")})
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
	dst = binary.AppendUvarint(dst, uint64(len(v.Have)))
	for _, have := range v.Have {
		dst = binary.AppendUvarint(dst, have)
	}
	return dst
}

func (r *reader) vote() protocol.Vote {
	v := protocol.Vote{
		Identity: member.Identity(r.fixed("vote: identity")), Promised: r.ballot("vote: promised"), Accepted: r.ballot("vote: accepted"),
		Clock: r.time("vote: clock"),
	}
	for range r.count(member.CountMax, 1, "vote: number of streams") {
		v.Have = append(v.Have, r.varint("vote: have"))
	}
	return v
}

// AppendVoteRecord appends what of a vote is durable.
func AppendVoteRecord(dst []byte, v *protocol.VoteRecord) []byte {
	dst = binary.LittleEndian.AppendUint64(binary.AppendUvarint(dst, v.Number), v.Lineage)
	return appendMaybeView(appendVote(dst, &v.Vote), v.View)
}

// DecodeVoteRecord reads what AppendVoteRecord wrote. Errors wrap ErrMalformed.
func DecodeVoteRecord(p []byte) (*protocol.VoteRecord, error) {
	r := reader{rest: p}
	v := &protocol.VoteRecord{
		Number: r.varint("vote record: number"), Lineage: r.fixed("vote record: lineage"),
		Vote: r.vote(), View: r.maybeView("vote record: view"),
	}
	if err := r.end("vote record"); err != nil {
		return nil, err
	}
	return v, nil
}
