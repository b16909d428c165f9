package trace

// Kind says what happened.
type Kind uint8

// The kinds of events. [Kind.Doc] explains each one.
const (
	Start Kind = iota + 1
	Recover
	Append
	Publish
	Send
	Push
	Receive
	Deliver
	Trim
	Reset
	Up
	Down
	Close
	Crash
	Pause
	Resume
	Fault
	Phase
	Sample
	Believe
	Final
	Vote
	Install
	Ends
	Opens
	Forced
	kindEnd
)

// The notes of Crash events.
const (
	DataKept = "keeping its data" // what was durable is there again at the next start
	DataLost = "losing its data"  // nothing is left
)

// Fields is a set of the fields of an event.
type Fields uint32

// The fields that an event can have besides At, Kind and Member.
const (
	HasPeer Fields = 1 << iota
	HasStream
	HasIdentity
	HasLife
	HasSession
	HasNumber
	HasSeq
	HasCount
	HasTime
	HasMark // Have and Promise
	HasPosition
	HasBytes
	HasHash
	HasState
	HasComplete
	HasNote
)

// Kinds returns all kinds in order.
func Kinds() []Kind {
	all := make([]Kind, 0, kindEnd-1)
	for k := Start; k < kindEnd; k++ {
		all = append(all, k)
	}
	return all
}

// String returns the name of the kind as it stands in a trace.
func (k Kind) String() string { return k.describe().name }

// Fields returns the fields that events of the kind have.
func (k Kind) Fields() Fields { return k.describe().fields }

// Doc returns in one sentence what events of the kind mean.
func (k Kind) Doc() string { return k.describe().doc }

type description struct {
	name   string
	fields Fields
	doc    string
}

func (k Kind) describe() description {
	switch k {
	case Start:
		return description{"start", HasIdentity | HasLife, "The member starts; life counts its starts with this data."}
	case Recover:
		return description{"recover", HasStream | HasTime | HasMark, "The member holds so much of a stream as a snapshot stands for, its own or a received one; time is its clock bound, promise that of the snapshot."}
	case Append:
		return description{"append", HasStream | HasIdentity | HasSeq | HasCount | HasTime | HasBytes | HasHash, "The member holds a batch from now on, durably where it has a journal."}
	case Publish:
		return description{"publish", HasStream | HasMark, "A message of the member says for the first time that it holds so much of a stream."}
	case Send:
		return description{"send", HasPeer | HasSession | HasNumber | HasCount | HasBytes, "A message for the peer was given to the transport; count is its entries."}
	case Push:
		return description{"push", HasPeer | HasStream | HasSeq | HasCount | HasBytes, "The message just sent carries these entries of a stream."}
	case Receive:
		return description{"receive", HasPeer | HasIdentity | HasSession | HasNumber | HasCount | HasBytes, "A message of the peer arrived; count is its entries."}
	case Deliver:
		return description{"deliver", HasStream | HasIdentity | HasSeq | HasCount | HasTime | HasPosition | HasHash, "A batch has its final place in the total order, after position entries."}
	case Trim:
		return description{"trim", HasStream | HasTime | HasMark, "All up to a time is stable and delivered; so much of a stream is forgotten."}
	case Reset:
		return description{"reset", HasTime | HasPosition | HasState | HasNote, "The application starts anew from a snapshot of the first entries of the order; the note says whose."}
	case Up:
		return description{"up", HasPeer, "The link to the peer is fresh: what was in flight is lost."}
	case Down:
		return description{"down", HasPeer, "The link to the peer is gone."}
	case Close:
		return description{"close", 0, "The member's own stream ends."}
	}
	return k.describeView()
}

// describeView describes what the member does for its members to change.
func (k Kind) describeView() description {
	switch k {
	case Vote:
		return description{"vote", HasNumber | HasSession | HasSeq, "A message of the member says for the first time what it promised and accepted of what follows the view of a number: session and seq are those ballots, round times 65536 and place."}
	case Install:
		return description{"install", HasNumber | HasHash | HasCount | HasTime, "The member goes by the view of a number from now on; hash is its lineage, count are its members, time is its clock."}
	case Forced:
		return description{"forced", HasNumber | HasHash | HasTime, "The history of the view told next was forced to go on in the view of a number, without a quorum; hash tells that from others that were forced after the same one, time is its clock."}
	case Ends:
		return description{"ends", HasStream | HasIdentity | HasMark, "In the view just told who wrote a stream was let go: it ends after so many entries."}
	case Opens:
		return description{"opens", HasStream | HasIdentity | HasNumber | HasSession | HasHash | HasMark, "As of the view of a number a stream goes on after so many entries, for who wrote it came back, or another one in its stead: hash is its identity, identity the one under which it writes since, and session, if it is not 0, that of the first one who wrote it."}
	}
	return k.describeWorld()
}

// describeWorld describes what the world and its judges tell, not the member.
func (k Kind) describeWorld() description {
	switch k {
	case Crash:
		return description{"crash", HasNote, "The member stops at once and forgets what is not durable; the note says whether its data is lost."}
	case Pause:
		return description{"pause", 0, "The member stops for a while and keeps everything."}
	case Resume:
		return description{"resume", 0, "A paused member goes on."}
	case Fault:
		return description{"fault", HasNote, "A line of the failure map takes effect; the note is its text."}
	case Phase:
		return description{"phase", HasNote, "A phase of the run begins: send, grace, heal or end."}
	case Sample:
		return description{"sample", HasTime | HasMark | HasBytes | HasComplete, "A look into the member: time is settled, promise is stable, bytes its log, complete as it says."}
	case Believe:
		return description{"believe", HasPeer | HasStream | HasMark, "A look into the member: what it takes the peer, or itself, to hold of a stream."}
	case Final:
		return description{"final", HasPosition | HasHash | HasState | HasComplete | HasNote, "The member's result: entries, digest, state, whether complete, and the text printed."}
	}
	return description{name: "unknown"}
}

// kindNamed returns the kind of a name, or 0.
func kindNamed(name string) Kind {
	for k := Start; k < kindEnd; k++ {
		if k.String() == name {
			return k
		}
	}
	return 0
}
