// Package mutant names the deliberately broken variants of the protocols.
//
// A [Mutant] breaks one rule. A test that a check catches it shows that the
// check looks at the rule at all. Production code never builds one: only
// simulator and tests call a reducer's NewMutant.
package mutant

import "slices"

// Mutant is the name of a broken variant, as the command line spells it. The
// zero value is None.
type Mutant string

// None is the sound protocol.
const None Mutant = ""

// The mutants; Doc says what each one breaks.
const (
	PromiseWithoutPrefix        Mutant = "promise-without-prefix"
	ClockResetOnRestart         Mutant = "clock-reset-on-restart"
	MergeWithoutMax             Mutant = "merge-without-max"
	SentUsedAsKnown             Mutant = "sent-used-as-known"
	TrimByPartialMinimum        Mutant = "trim-by-partial-minimum"
	AckBeforeDurable            Mutant = "ack-before-durable"
	DeliverOnStability          Mutant = "deliver-on-stability"
	TieWithoutOrigin            Mutant = "tie-without-origin"
	NoRewind                    Mutant = "no-rewind"
	RewindEachTick              Mutant = "rewind-each-tick"
	RelayByEveryone             Mutant = "relay-by-everyone"
	NoNullPromises              Mutant = "no-null-promises"
	SnapshotAtDeliveredFrontier Mutant = "snapshot-at-delivered-frontier"
	OldIdentityAccepted         Mutant = "old-identity-accepted"
	NoRelayedRows               Mutant = "no-relayed-rows"
	NoPushForOneWayLinks        Mutant = "no-push-for-one-way-links"
	ClockMergeOmitted           Mutant = "clock-merge-omitted"

	NoReacknowledgement   Mutant = "no-reacknowledgement"
	CommitOnFirstReceipt  Mutant = "commit-on-first-receipt"
	AckWithoutSeq         Mutant = "ack-without-seq"
	ForgetfulRestart      Mutant = "forgetful-restart"
	SilentGrace           Mutant = "silent-grace"
	FinWithoutRepeat      Mutant = "fin-without-repeat"
	FinBeforeAcknowledged Mutant = "fin-before-acknowledged"
	NoGraceRelay          Mutant = "no-grace-relay"
)

// Protocols are the names of the protocols that a mutant has a variant of.
type Protocols uint8

// The protocols, to be joined with |.
const (
	Delta Protocols = 1 << iota
	Lockstep
)

type entry struct {
	mutant    Mutant
	protocols Protocols
	doc       string
}

func table() []entry {
	return []entry{
		{PromiseWithoutPrefix, Delta | Lockstep, "A promise is taken although entries that it presumes are not held."},
		{ClockResetOnRestart, Delta | Lockstep, "The clock begins anew at a restart instead of after the durable bound."},
		{MergeWithoutMax, Delta, "A row replaces what was known instead of being joined with it."},
		{SentUsedAsKnown, Delta, "What was sent counts as held by the receiver."},
		{TrimByPartialMinimum, Delta, "The stable time is the minimum over the members heard of, not over all."},
		{AckBeforeDurable, Delta | Lockstep, "A batch is acknowledged before it is appended to the journal."},
		{DeliverOnStability, Delta, "A batch is delivered as soon as all hold it, although earlier ones can still arrive."},
		{TieWithoutOrigin, Delta | Lockstep, "Batches of equal time are ordered as they came, not by origin."},
		{NoRewind, Delta, "What was lost on the way is not sent again."},
		{RewindEachTick, Delta, "All that is not acknowledged is sent again each tick."},
		{RelayByEveryone, Delta, "Every member passes everything on to everyone, asked or not."},
		{NoNullPromises, Delta | Lockstep, "An idle member does not let its time be known."},
		{SnapshotAtDeliveredFrontier, Delta, "A snapshot reaches to the delivered frontier instead of the stable one."},
		{OldIdentityAccepted, Delta | Lockstep, "Messages and acknowledgements count from whatever life of a member."},
		{NoRelayedRows, Delta | Lockstep, "A member's row reaches only those that hear the member itself."},
		{NoPushForOneWayLinks, Delta, "Nobody sends unasked to a member whose pulls cannot be heard."},
		{ClockMergeOmitted, Delta | Lockstep, "The clock ignores the times of received batches."},

		{NoReacknowledgement, Lockstep, "A repeated batch is not acknowledged again."},
		{CommitOnFirstReceipt, Lockstep, "A batch is committed when it arrives, without its successor."},
		{AckWithoutSeq, Lockstep, "Any acknowledgement counts for the batch in flight, whichever it was meant for."},
		{ForgetfulRestart, Lockstep, "A member comes back without its data under its old identity."},
		{SilentGrace, Lockstep, "Nothing is sent again once the own stream is closed."},
		{FinWithoutRepeat, Lockstep, "The end of a stream is told once and never again."},
		{FinBeforeAcknowledged, Lockstep, "A stream ends before its last batch is acknowledged by all."},
		{NoGraceRelay, Lockstep, "Nobody repeats the buffered batches and ends of other members' streams."},
	}
}

// All gives every mutant, in a fixed order.
func All() []Mutant { return Of(Delta | Lockstep) }

// Of gives the mutants that at least one of the protocols has.
func Of(protocols Protocols) []Mutant {
	var all []Mutant
	for _, e := range table() {
		if e.protocols&protocols != 0 {
			all = append(all, e.mutant)
		}
	}
	return all
}

// Doc says in one sentence what the mutant does wrong; an unknown name gives "".
func (m Mutant) Doc() string {
	all := table()
	i := slices.IndexFunc(all, func(e entry) bool { return e.mutant == m })
	if i < 0 {
		return ""
	}
	return all[i].doc
}

// Breaks gives the protocols that have a variant of the mutant.
func (m Mutant) Breaks() Protocols {
	for _, e := range table() {
		if e.mutant == m {
			return e.protocols
		}
	}
	return 0
}
