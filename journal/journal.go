// Package journal keeps: it is the durable log of a member, from which a
// restart continues as if it had been a pause.
//
// What it assumes: a file that was synced stays as it is; what was written and
// not synced may be there, partly there or not there after a crash; two
// processes on one folder are kept apart by a lock. It does not guard against
// a folder that is copied, or brought back from a backup: a member that forgets
// what it published may break the order for everybody. Such a member must
// start with an empty folder, as another life.
//
// A journal is a row of segments, files of about [Config.SegmentBytesMax].
// Each begins with a head (who wrote it, and all that still matters of earlier
// segments except batches), followed by groups of records; a group is what one
// [Journal.Sync] writes and makes durable. A [Journal] is owned by one
// goroutine and starts none. docs/journal.md has the format.
//
// At [Open] the segments are read. A damaged end of the last one is what a
// crash leaves and is cut off; all that was acknowledged lies before it.
// Damage anywhere else is an error that says where, for going on would mean to
// forget what others rely on. Each start begins a new segment.
//
// Files are reached through [FS]: [Folder] is one on disk, [Memory] one for
// tests and the simulator that forgets what was not synced.
package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
)

// Config is what a journal is opened with.
type Config struct {
	Cluster string    // which cluster the data belongs to, at most 255 bytes
	Self    member.ID // the place in the list that the data belongs to
	Members int       // members in the list
	List    uint64    // hash of the member list: data is of no use with another one

	// Identity is taken if the folder is empty: a random number, not 0.
	// Otherwise the identity in the folder stays.
	Identity member.Identity

	// SegmentBytesMax is the size from which on a new segment is begun, in
	// bytes. Default 64 MiB: smaller ones give disk space back sooner, larger
	// ones are fewer files.
	SegmentBytesMax int

	Log *slog.Logger // told of what was cut off; nil: nobody is
}

const (
	segmentBytesByDefault = 64 << 20
	clusterBytesMax       = 255
	// groupBytesKept is how much memory for a group is kept for the next one,
	// in bytes.
	groupBytesKept = 4 << 20
)

// Life is what a member continues with.
type Life struct {
	Identity  member.Identity
	Count     uint64              // starts with this data, this one included, from 1
	Recovered *protocol.Recovered // what earlier starts left; nil at the first
}

// Journal is an open journal. It implements replica.Journal.
type Journal struct {
	fs     FS
	cfg    Config
	lock   io.Closer
	header header
	state  state

	segments []segment // the last one is open
	file     File
	size     int      // bytes of the open segment
	head     int      // bytes of its head
	group    []byte   // a mark and the records since the last sync
	last     []uint64 // the last entry of each stream in group
	must     bool     // group has something that must be durable at the next sync
	failed   error
}

// state is what outlives the segments that it was written in: each segment
// begins with it.
type state struct {
	bound   clock.Time
	binding member.Binding
	base    protocol.Snapshot
}

// Open reads the journal in fs, or begins one if there is none, and starts a
// new life with it. The error says what is damaged or does not fit, and what
// can be done.
func Open(fs FS, cfg Config) (*Journal, Life, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, Life{}, err
	}
	lock, err := fs.Lock()
	if err != nil {
		return nil, Life{}, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{fs: fs, cfg: cfg, lock: lock, last: make([]uint64, cfg.Members)}
	life, err := j.start()
	if err != nil {
		return nil, Life{}, errors.Join(err, lock.Close())
	}
	return j, life, nil
}

func (c Config) checked() (Config, error) {
	var wrong []error
	if len(c.Cluster) > clusterBytesMax {
		wrong = append(wrong, fmt.Errorf("journal: cluster name of %d bytes, allowed are %d", len(c.Cluster), clusterBytesMax))
	}
	if c.Members < 1 || c.Members > member.CountMax || int(c.Self) >= c.Members {
		wrong = append(wrong, fmt.Errorf("journal: member %d of %d members", c.Self, c.Members))
	}
	if c.Identity == 0 {
		wrong = append(wrong, errors.New("journal: no identity was given for a new folder"))
	}
	if c.SegmentBytesMax < 0 {
		wrong = append(wrong, fmt.Errorf("journal: segments of %d bytes", c.SegmentBytesMax))
	}
	if c.SegmentBytesMax == 0 {
		c.SegmentBytesMax = segmentBytesByDefault
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(wrong...)
}

// start recovers what is there and begins this life's first segment.
func (j *Journal) start() (Life, error) {
	found, err := recoverAll(j.fs, j.cfg)
	if err != nil {
		return Life{}, err
	}
	life := Life{Identity: j.cfg.Identity, Count: 1}
	if found.header != nil {
		life = Life{Identity: found.header.identity, Count: found.header.life + 1, Recovered: found.recovered()}
	}
	j.state, j.segments = found.state, found.segments
	j.header = header{
		cluster: j.cfg.Cluster, self: j.cfg.Self, members: j.cfg.Members, list: j.cfg.List,
		identity: life.Identity, life: life.Count, segment: found.next,
	}
	if err := j.begin(); err != nil {
		return Life{}, err
	}
	return life, j.forget()
}

// Keep takes the durable parts of effects into the next sync. It copies them.
// What is settled may wait until something else is synced, for whoever forgot
// it waits until it is settled again. So may a base, for it only lets the
// journal forget; one that the application is reset to may not, since its
// entries count as held from now on.
func (j *Journal) Keep(effects protocol.Effects) {
	before := len(j.group)
	if effects.Binding != nil {
		j.state.binding = append(j.state.binding[:0], effects.Binding...)
		j.put(kindBinding, appendBinding(nil, effects.Binding))
	}
	if effects.Bound != 0 {
		j.state.bound = max(j.state.bound, effects.Bound)
		j.put(kindBound, appendBound(nil, effects.Bound))
	}
	if effects.Reset != nil {
		j.keepBase(effects.Reset)
	}
	for i := range effects.Append {
		b := &effects.Append[i]
		j.last[b.Origin] = max(j.last[b.Origin], b.Last())
		j.put(kindBatch, b.Bytes)
	}
	j.must = j.must || len(j.group) > before
	if effects.Settled != 0 { // after the batches that it is about
		j.put(kindSettled, appendBound(nil, effects.Settled))
	}
	if effects.Base != nil && effects.Reset == nil {
		j.keepBase(effects.Base)
	}
}

func (j *Journal) keepBase(base *protocol.Snapshot) {
	have := append(j.state.base.Have[:0], base.Have...)
	j.state.base = protocol.Snapshot{Time: base.Time, Have: have, State: base.State}
	j.put(kindBase, appendBase(nil, &j.state.base))
}

// put adds a record to the group, which begins with the place for its mark.
func (j *Journal) put(k kind, body []byte) {
	if len(j.group) == 0 {
		j.group = append(j.group, make([]byte, markRecordBytes)...)
	}
	j.group = appendRecord(j.group, k, body)
}

// Sync makes durable what was kept. After an error nothing can be relied upon
// and all further calls give the same error; a restart recovers what was
// acknowledged.
func (j *Journal) Sync() error {
	if j.failed != nil || !j.must {
		return j.failed
	}
	j.failed = j.flush()
	return j.failed
}

// flush writes the group with one write and one sync.
func (j *Journal) flush() error {
	if j.size+len(j.group) > j.cfg.SegmentBytesMax && j.size > j.head {
		if err := j.roll(); err != nil {
			return err
		}
	}
	putMark(j.group, j.size)
	if err := j.write(j.group); err != nil {
		return err
	}
	j.open().note(j.last)
	clear(j.last)
	if j.group = j.group[:0]; cap(j.group) > groupBytesKept {
		j.group = nil
	}
	j.must = false
	return j.forget()
}

// Close writes what was kept, and lets another process have the folder. The
// journal must not be used afterwards.
func (j *Journal) Close() error {
	j.must = len(j.group) > 0
	err := errors.Join(j.Sync(), j.file.Close(), j.lock.Close())
	if j.failed == nil {
		j.failed = errors.New("journal: used after it was closed")
	}
	return err
}
