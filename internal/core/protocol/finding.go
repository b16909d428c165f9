package protocol

import (
	"errors"
	"fmt"
	"slices"

	"chatterbox/internal/core/member"
)

// ErrOldData is why a member stops that hears from its peers of more than it
// remembers itself: what it wrote now would stand under numbers, and at times,
// that others know something else of.
var ErrOldData = errors.New("the data of this member is old: its peers know more of it than it does itself, as when an older copy of its folder " +
	"was brought back, or its folder is used twice. It stops before a number stands for two entries. Start it with its newest folder; " +
	"if that is lost, with an empty one: then it only reads")

// ErrNoRoom is why a member takes nothing for a while: its disk has no room. What
// it has accepted is safe, and it goes on by itself once there is room.
var ErrNoRoom = errors.New("the disk is full")

// Finding is something that a member found out about its cluster, and that
// people must see to: the protocol goes on without it, but cannot mend it.
type Finding struct {
	Kind   FindingKind
	Member member.ID // whom it is about
}

// FindingKind says what was found out.
type FindingKind uint8

// The kinds of findings.
const (
	OtherHistory FindingKind = iota + 1 // the member goes by another agreed binding: what it says is about other streams
	OldData                             // the member found out that its data is old, and stopped
	TwoContents                         // two batches under one number, or against a promise, in the member's stream
	OtherBinding                        // the member takes another life for the one that counts, so nothing can ever settle
	NoWriter                            // no member is left that may write: all came back without their data
	LetGo                               // the member was let go by the others: it only reads
	Replaced                            // the member was let go, and its place is another one's by now: it only reads, and never writes again
	Forked                              // the others went on by force without the member, which may have shown entries that they do not have: it stays in a history of its own
	NeverMet                            // the member lost its data before all had met, and the one that it was is what the others wait for
)

// Text returns what was found, and what to do, for people; name names a member.
func (f Finding) Text(name func(member.ID) string) string {
	who := name(f.Member)
	switch f.Kind {
	case OtherHistory:
		return who + " goes by another history of this list of members than this one, as when the folder of an earlier cluster was brought back at either, or one of them was left out when others went on by force: " +
			"nothing that it says is taken; stop whoever is wrong, and start it with its own folder or with an empty one"
	case OldData:
		return who + " came back with older data than it had: it stops; start it with its newest folder, or if that is lost with an empty one: then it only reads"
	case TwoContents:
		return who + " gave one number to two different entries, or wrote into a time that it had said to be over: its folder is used twice, or an older copy of it was brought back; " +
			"stop it, and start it with its newest folder or with an empty one: what was taken first counts"
	case OtherBinding:
		return who + " and this member take different lives of a member for the one that counts, because one lost its data before all had met: nothing can ever settle; " +
			"stop all members and start them anew, with empty folders if they have any"
	case NeverMet:
		return who + " lost its data before all members had met, and the others wait for the one that it was: nothing can settle; " +
			"start it with the data folder that it had, or stop all members and start them anew, with empty folders if they have any"
	case NoWriter:
		return "no member is left that may write: each came back without its data, which the others remember; " +
			"start those that still have their data folders with them, or stop all members and start the cluster anew"
	case LetGo:
		return who + " was let go by the other members while it was away: what they had of it by then is in the order, what it wrote beyond that is in nobody's; " +
			"it reads on, and writes that and more once it has come back"
	case Replaced:
		return who + " was let go by the other members while it was away, and another one, which came without data, has its place and its name: what it wrote beyond what they had of it " +
			"is in nobody's order, and it never writes again; print that with `chatterbox members orphans`, write it anew at a member if it is needed, then stop this one"
	case Forked:
		return "the other members went on by force without " + who + ", which has, and may have shown as settled, entries that they do not have: their order and its own are two histories from there on, " +
			"and it does not come back to theirs; keep what it has of value (`chatterbox backup`, or read its entries), stop it, and start it with an empty folder"
	}
	return fmt.Sprintf("finding %d about %s", f.Kind, who)
}

// Findings are what a member found out, in order, each once.
type Findings []Finding

// Add adds a finding that is new.
func (f *Findings) Add(kind FindingKind, about member.ID) {
	if next := (Finding{Kind: kind, Member: about}); !slices.Contains(*f, next) {
		*f = append(*f, next)
	}
}

// Drop takes a finding back that proved wrong.
func (f *Findings) Drop(kind FindingKind, about member.ID) {
	*f = slices.DeleteFunc(*f, func(found Finding) bool { return found == Finding{Kind: kind, Member: about} })
}
