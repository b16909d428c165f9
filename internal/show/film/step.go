package film

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
)

// Step is what changed in a part of a run. Times are microseconds since its
// start; members are named by their places. Rows of numbers stand one behind
// the other in one list.
type Step struct {
	T        int64     `json:"t"`           // the end of the part
	First    int       `json:"i"`           // number of the first batch that becomes known
	Batches  []int64   `json:"b,omitempty"` // stream, seq, entries, Lamport time, when
	Held     []int64   `json:"h,omitempty"` // batch, member, when
	Settled  []int64   `json:"s,omitempty"` // batch, member, when
	Places   []int64   `json:"q,omitempty"` // batch, entries before it in the order
	Lost     []int64   `json:"x,omitempty"` // batch, member, when: it learns that it will never settle; -1: the others decided so
	Restarts []int64   `json:"a,omitempty"` // member, when: holds nothing, before it says what it kept
	Frames   []int64   `json:"f,omitempty"` // from, to, what it carries, whose, when, until when; -1: never
	Members  []Member  `json:"m,omitempty"`
	Links    []Link    `json:"l,omitempty"`
	News     []int64   `json:"k,omitempty"` // member, stream, since when its news of it is old; -1: it is not
	Totals   []uint64  `json:"n,omitempty"` // entries known, entries settled everywhere
	Words    []Word    `json:"w,omitempty"`
	Headline *Headline `json:"g,omitempty"`
	Faults   []Fault   `json:"z,omitempty"` // lines of the failure map
	Opened   []Span    `json:"o,omitempty"` // what is wrong from now on
	Closed   []int64   `json:"c,omitempty"` // span, when it ended
	Sent     int       `json:"y,omitempty"` // messages sent in this part; not all of them are frames here
	End      bool      `json:"e,omitempty"` // the run is over

	Parts [][]member.ID `json:"p,omitempty"` // who can hear each other
}

// What a frame carries.
const (
	CarriesOwn   = 0 // entries of its sender
	CarriesOther = 1 // entries of another member, passed on
	CarriesMarks = 2 // no entries, only what the sender knows
)

// Member is a member at the end of a step.
type Member struct {
	ID      member.ID   `json:"id"`
	State   string      `json:"is"`
	Since   int64       `json:"since"`
	Held    uint64      `json:"held"`
	Settled uint64      `json:"settled"`
	Oldest  int64       `json:"oldest"` // when its oldest tentative batch came, -1: there is none
	Late    bool        `json:"late,omitempty"`
	Waits   []member.ID `json:"waits,omitempty"` // if it is late, for whom
	Out     bool        `json:"out,omitempty"`   // the others have gone on without it
}

// Equal reports whether nothing has changed.
func (m *Member) Equal(other *Member) bool {
	return m.ID == other.ID && m.State == other.State && m.Since == other.Since && m.Held == other.Held &&
		m.Settled == other.Settled && m.Oldest == other.Oldest && m.Late == other.Late && m.Out == other.Out && slices.Equal(m.Waits, other.Waits)
}

// Link is one direction between two members at the end of a step.
type Link struct {
	From  member.ID `json:"from"`
	To    member.ID `json:"to"`
	State string    `json:"is"` // a condition, see package scene
	Label string    `json:"label,omitempty"`
	Since int64     `json:"since"`
}

// Word is an event in words, for people.
type Word struct {
	At   int64  `json:"at"`
	Kind string `json:"kind"` // see Kind
	Sign string `json:"sign"`
	Text string `json:"text"`
}

// The kinds of words and headlines: what they mean for the cluster.
const (
	KindPlain = ""
	KindGood  = "good" // healed, complete
	KindWait  = "wait" // late, lossy, slow
	KindBad   = "bad"  // cut, lost, down
)

// Headline says in one sentence what is the case, and below why. {lag} in Sub
// stands for the age of the oldest tentative batch of all, which grows.
type Headline struct {
	Kind string `json:"kind"`
	Say  string `json:"say"`
	Sub  string `json:"sub"`
}

// Fault is a line of the failure map that took effect.
type Fault struct {
	At   int64  `json:"at"`
	Note string `json:"note"`
}

// Span is something that is wrong for a while.
type Span struct {
	Number int    `json:"number"`
	At     int64  `json:"at"`
	Hard   bool   `json:"hard"` // nothing passes, or somebody does nothing
	Label  string `json:"label"`
}

func equalParts(a, b [][]member.ID) bool {
	return slices.EqualFunc(a, b, func(x, y []member.ID) bool { return slices.Equal(x, y) })
}

// label returns in few words how a link fails, beside a cut.
func label(f failure.Link) string {
	var words []string
	if f.Drop > 0 {
		words = append(words, "loses "+percent(f.Drop))
	}
	if f.DelayMax > 0 {
		words = append(words, "+"+span(f.DelayMin, f.DelayMax))
	}
	if f.BytesPerSecond > 0 {
		words = append(words, rate(f.BytesPerSecond))
	}
	if f.Repeat > 0 {
		words = append(words, "repeats "+percent(f.Repeat))
	}
	if f.Reorder > 0 {
		words = append(words, "reorders "+percent(f.Reorder))
	}
	return strings.Join(words, ", ")
}

func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'g', 3, 64) + " %"
}

// span writes a time or a range of times, in milliseconds below a second.
func span(low, high time.Duration) string {
	unit, name := time.Millisecond, "ms"
	if high >= time.Second {
		unit, name = time.Second, "s"
	}
	write := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds()/unit.Seconds(), 'g', 3, 64) }
	if low == high {
		return write(high) + " " + name
	}
	return write(low) + "–" + write(high) + " " + name
}

func rate(bytes int64) string {
	switch {
	case bytes >= 1_000_000:
		return fmt.Sprintf("%.3g MB/s", float64(bytes)/1e6)
	case bytes >= 1000:
		return fmt.Sprintf("%.3g KB/s", float64(bytes)/1e3)
	default:
		return fmt.Sprintf("%d B/s", bytes)
	}
}
