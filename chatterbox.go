// Package chatterbox embeds a durable, totally ordered broadcast log that has
// no leader: every member of a cluster may write at any time, on any side of a
// broken network, and all members read the same entries in the same order.
//
// [Open] starts a [Node], which is one member. [Node.Broadcast] puts a payload
// in, [Node.Entries] reads the log, [Node.Position] returns where an entry
// stands in the order. An entry is, one after the other:
//
//   - accepted: it is durable at this member and will go out. Broadcast has
//     returned its [ID].
//   - settled: it has its [Position] in the one order, for ever, at all
//     members, and so many of them hold it that every majority has one of
//     those: 2 of up to 4, 3 of 5 or 6. Entries yields it.
//   - stable: every member holds it. [Status] shows up to where.
//
// # Order
//
// Entries of one member settle in the order in which they were accepted: a
// call of Broadcast that begins after another one has returned comes later.
// Calls that overlap come in any order. An entry comes after every entry that
// this member had held before, so an answer never precedes its question.
//
// # Goroutines
//
// All methods of a Node may be called by any number of goroutines, also from
// the body of a loop over one of its iterators. Each loop runs in the
// goroutine that ranges; a Node calls functions of the application in
// goroutines of its own only for Config.Prepare and Config.Log.
//
// # Contexts
//
// A context bounds one call, never the life of a node. When it ends, the error
// wraps [context.Cause] and says what was waited for.
//
// # Errors
//
// Where a caller can act on an error it wraps one of the variables below; test
// for it with [errors.Is].
//
// # Limits
//
// While a member is silent nothing settles. It settles when that one is heard
// again, or evicted: after Config.EvictAfter, or by [Node.Change]; of two members
// neither can evict the other. One that joins (Config.Join) reads until it is a
// member. A member that comes back without its data, or that is volatile and was
// restarted, reads: what has settled before stays as it is, and nothing more
// settles before its former life is evicted, for only that knew what it had
// promised. Then it has the place of that one, catches up and writes, in another
// life.
package chatterbox

import "errors"

// Sizes, in bytes.
const (
	// MaxPayload is the size of the largest payload.
	MaxPayload = 1 << 20
	// MaxKey is the size of the largest key.
	MaxKey = 255
	// MaxMeta is the size of the largest Meta of a member.
	MaxMeta = 256
)

// ErrClosed is the error of calls and loops after [Node.Close].
var ErrClosed = errors.New("chatterbox: closed")

// ErrRemoved is the error of calls and loops after this member has left the
// cluster, see [Change].
var ErrRemoved = errors.New("chatterbox: this member has left the cluster")

// Errors of writing.
var (
	// ErrPayload means that a payload has no bytes or more than MaxPayload, or
	// a key has none or more than MaxKey. Nothing was added.
	ErrPayload = errors.New("chatterbox: size of payload or key")
	// ErrFull means that there was no room until the context ended, because
	// peers or the disk do not keep up, a limit is reached, or the members have
	// not met yet. It is worth trying again later. It comes with the cause of
	// the context, except for a full disk, which is reported at once.
	ErrFull = errors.New("chatterbox: no room")
	// ErrReadOnly means that this member accepts no entries, because it only
	// reads (Config.Observe), came back without its data, or its disk failed. Reading still works.
	ErrReadOnly = errors.New("chatterbox: this member does not write")
	// ErrLost means that an entry will never settle: its member was evicted
	// before others held it. See Node.Orphans.
	ErrLost = errors.New("chatterbox: the entry is lost")
)

// ErrBehind is in Status.Ready of a member that counts nowhere yet, or only reads, and has
// not all that the others held a second ago.
var ErrBehind = errors.New("chatterbox: this member is behind")

// ErrRefused means that the members cannot be changed so. Nothing was begun.
var ErrRefused = errors.New("chatterbox: change refused")

// Errors of reading.
var (
	// ErrCompacted means that the position lies below what is retained, or settled
	// while this member was away, evicted, or before it joined, and the others had
	// forgotten it before they could tell it. Status.Oldest is the first one that can
	// be read here; others may have more.
	ErrCompacted = errors.New("chatterbox: compacted")
	// ErrNoSnapshot means that neither this member nor any of its peers has a
	// snapshot that this member's history continues.
	ErrNoSnapshot = errors.New("chatterbox: no snapshot")
)
