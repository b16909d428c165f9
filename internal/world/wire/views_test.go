package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// changes draws what a message says of who belongs to the cluster.
func (d draws) changes(m *protocol.Message) {
	for range d.few() {
		m.Views = append(m.Views, d.view())
	}
	if d.flip() {
		m.Choice = d.choice()
	}
	if d.flip() {
		wish := d.change()
		m.Wish = &wish
	}
}

// founders returns the first view of so many members.
func founders(n int) *member.View { return foundersAt(n, "127.0.0.1") }

func foundersAt(n int, host string) *member.View {
	list, binding := make(member.List, n), make(member.Binding, n)
	for i := range list {
		list[i] = member.Member{Name: fmt.Sprint("m", i), Host: host, Port: 3000 + i}
		binding[i] = member.Identity(i + 1)
	}
	return member.Founding(list, binding)
}

// view draws a view with a little history.
func (d draws) view() *member.View {
	v := founders(rapid.IntRange(1, 5).Draw(d.T, "founders"))
	for range d.few() {
		c := member.Change{Kind: member.Evict, Identity: v.Places[rapid.IntRange(0, len(v.Places)-1).Draw(d.T, "place")].Identity, Strikes: 1}
		if d.flip() {
			name := rapid.SampledFrom([]string{fmt.Sprint("n", v.Number), "m0", "m1"}).Draw(d.T, "name")
			c = member.Change{Kind: member.Admit, Identity: member.Identity(100 + v.Number), Name: name, Address: fmt.Sprint("h:", v.Number)}
		}
		if d.flip() {
			c.Kind = member.Rejoin
		}
		if v.Size() > 1 && d.flip() {
			c = member.Change{Kind: member.Force, Survivors: v.Members()[:1]}
		}
		next, err := v.Successor(c, member.Grounds{Proposer: 1, Base: make([]uint64, len(v.Places))})
		if err == nil {
			v = next
		}
	}
	return v
}

func (d draws) ballot() protocol.Ballot { return protocol.Ballot{Round: d.any(), Place: d.id()} }

func (d draws) change() member.Change {
	text := rapid.SampledFrom([]string{"", "a", "member-7", "[2001:db8::1]:3000"})
	c := member.Change{
		Kind: member.ChangeKind(rapid.Byte().Draw(d.T, "kind")), Identity: member.Identity(d.any()),
		Name: text.Draw(d.T, "name"), Address: text.Draw(d.T, "address"), Strikes: d.any(),
	}
	if d.flip() {
		c.Kind = member.Force
		for range d.few() {
			c.Survivors = append(c.Survivors, member.Identity(d.any()))
		}
	}
	return c
}

func (d draws) vote() protocol.Vote {
	v := protocol.Vote{Identity: member.Identity(d.any()), Promised: d.ballot(), Clock: d.time()}
	for range d.few() {
		v.Have = append(v.Have, d.any())
	}
	if len(v.Have) > 0 && d.flip() {
		v.NowClock = d.time()
		for range v.Have {
			v.Now = append(v.Now, d.any())
		}
	}
	return v
}

// choice draws one whose votes accepted nothing that it does not tell of.
func (d draws) choice() *protocol.Choice {
	c := &protocol.Choice{Number: d.any(), Lineage: d.any()}
	for range d.few() {
		bid := protocol.Bid{Ballot: d.ballot(), Change: d.change()}
		if d.flip() {
			bid.View = d.view()
			for range d.few() {
				bid.Over = append(bid.Over, d.view())
			}
		}
		c.Bids = append(c.Bids, bid)
	}
	for range d.few() {
		v := d.vote()
		if len(c.Bids) > 0 && d.flip() {
			v.Accepted = rapid.SampledFrom(c.Bids).Draw(d.T, "accepted").Ballot
		}
		c.Votes = append(c.Votes, v)
	}
	return c
}

func TestVoteRecordComesBack(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		d := draws{t}
		want := &protocol.VoteRecord{Number: d.any(), Lineage: d.any(), Vote: d.vote()}
		want.Vote.Accepted = d.ballot()
		if d.flip() {
			want.View = d.view()
			for range d.few() {
				want.Over = append(want.Over, d.view())
			}
		}
		p := AppendVoteRecord(nil, want)
		got, err := DecodeVoteRecord(p)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		cut := rapid.IntRange(0, len(p)-1).Draw(t, "cut")
		for _, broken := range [][]byte{p[:cut], append(p, 0)} {
			if _, err := DecodeVoteRecord(broken); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%d of %d bytes: %v", len(broken), len(p), err)
			}
		}
	})
}

// TestWhatIsSaidOfViewsFitsIntoAFrame has a cluster of thousands of places with
// as many bids: a message tells of the newest, and of no vote for another one.
func TestWhatIsSaidOfViewsFitsIntoAFrame(t *testing.T) {
	v := foundersAt(member.CountMax, strings.Repeat("h", 100))
	m := &protocol.Message{Views: []*member.View{founders(1), v, v, v, v}, Choice: &protocol.Choice{Number: 1, Lineage: v.Lineage}}
	for round := range uint64(1000) {
		b := protocol.Ballot{Round: round + 1}
		m.Choice.Bids = append(m.Choice.Bids, protocol.Bid{Ballot: b, Change: member.Change{Kind: member.Renew}, View: v})
		m.Choice.Votes = append(m.Choice.Votes, protocol.Vote{Identity: member.Identity(round + 1), Promised: b, Accepted: b, Clock: clock.Time(round), Have: make([]uint64, member.CountMax)})
	}
	body := bodyOf(t, AppendFrame(nil, m))
	var got protocol.Message
	if err := DecodeMessage(body, &got); err != nil {
		t.Fatal(err)
	}
	if n := len(got.Views); n == 0 || n == len(m.Views) || !got.Views[n-1].Same(v) {
		t.Errorf("%d views", n)
	}
	c := got.Choice
	if len(c.Bids) == 0 || len(c.Bids) > BidsMax || c.Bids[len(c.Bids)-1].Ballot.Round != 1000 || len(c.Votes) != len(c.Bids) {
		t.Fatalf("%d bids and %d votes", len(c.Bids), len(c.Votes))
	}
	for _, vote := range c.Votes {
		if !tellsOf(c.Bids, vote.Accepted) {
			t.Errorf("a vote for %s, of which nothing is told", vote.Accepted)
		}
	}
}
