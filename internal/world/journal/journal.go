// Package journal keeps: it is the durable log of a member, from which a
// restart continues as if it had been a pause.
//
// What it assumes: a file that was synced stays as it is; what was written and
// not synced is there as long as the machine runs, and may be there, partly
// there or not there when power failed; a sync that failed is no promise, and
// neither is a later one; two processes on one folder are kept apart by a lock.
// It does not notice that a whole folder is exchanged for an older copy: a
// member that forgets what it published may break the order for everybody, and
// what its peers know of it has to tell.
//
// A journal is a row of segments, files of about [Config.SegmentBytesMax].
// Each begins with a head (who wrote it, what the segment before was, and all
// that still matters of earlier segments except batches), followed by groups of
// records; a group is what one [Journal.Sync] writes and makes durable. Beside
// them the anchor, a small file, proves how far the newest one was synced. A
// [Journal] is owned by one goroutine and starts none. docs/journal.md has the
// format.
//
// At [Open] the segments are read. A damaged end of the last one is what a
// crash leaves and is cut off; all that was acknowledged lies before it. What
// can be read and is not proven to be durable is written again and synced
// before it counts. Damage anywhere else, or a piece that is not there, is an
// error that says where, for going on would mean to forget what others rely
// on. Each start begins a new segment.
//
// Files are reached through [FS]: [Folder] is one on disk, [Memory] one for
// tests and the simulator that forgets what was not synced.
package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// Config is what a journal is opened with.
type Config struct {
	Cluster string    // which cluster the data belongs to, at most 255 bytes
	Self    member.ID // the place that the data belongs to; who joined has one behind those of the list
	Members int       // members in the list
	List    uint64    // hash of the member list: data is of no use with another one
	// ListAsWritten is the hash that earlier releases wrote for the same list;
	// 0 if there is none.
	ListAsWritten uint64

	// Identity is taken if the folder is empty: a random number, not 0.
	// Otherwise the identity in the folder stays.
	Identity member.Identity

	// View is what an empty folder begins with: who joins a running cluster has
	// its place by it. Nil: there is none before the members of the list have met.
	View *member.View

	// SegmentBytesMax is the size from which on a new segment is begun, in
	// bytes. Default 64 MiB: smaller ones give disk space back sooner, larger
	// ones are fewer files.
	SegmentBytesMax int

	// LoadBytesMax is how much of what is needed a start reads into memory, newest
	// segment included, in bytes. What is older is read batch by batch. Default 64
	// MiB.
	LoadBytesMax int

	// PlacesMax is of how many of the last batches of each stream it is known
	// without reading where they lie. Default 1,024.
	PlacesMax int

	// BytesMax is the size of the folder beyond which nothing of this member's own
	// may be added, in bytes. Default 0: the disk is the limit.
	BytesMax int64

	// Retain says what is kept to be read again by position, see
	// [Journal.Archive]; nil: nothing is.
	Retain *Retain
	// WholeIndex refuses a start whose index is damaged, so that [Repair] can put it
	// back. Otherwise the index begins anew, and what settled before cannot be read.
	WholeIndex bool
	// Now returns the time of day, for Retain.Age; nil: it is not known.
	Now func() time.Time

	Log *slog.Logger // told of what was cut off; nil: nobody is
}

const (
	// SegmentBytesByDefault is the default of Config.SegmentBytesMax.
	SegmentBytesByDefault = 64 << 20
	loadBytesByDefault    = 64 << 20
	placesByDefault       = 1024
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

// Journal is an open journal. It implements driver.Journal.
type Journal struct {
	fs     FS
	cfg    Config
	lock   io.Closer
	header header
	state  state // what is durable
	next   state // the same with the group

	anchor *anchorFile

	segments []segment    // the last one is open
	covered  int          // how many of them the base covers
	bytes    int64        // of all segments
	size     atomic.Int64 // of the folder
	file     File
	head     int64  // bytes of the open segment's head
	group    []byte // a mark and the records since the last sync
	last     []held // how much is held of each stream, group included
	must     bool   // group has something that must be durable at the next sync
	failed   error

	archive *Archive // nil: nothing is kept to be read again
	shelf   *shelf
	based   bool // group has a base
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
	j := &Journal{fs: fs, cfg: cfg, lock: lock, last: make([]held, cfg.Members)}
	life, err := j.start()
	if errors.Is(err, protocol.ErrNoRoom) {
		err = fmt.Errorf("%w: make room and start again", err)
	}
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
	if c.Members < 1 || c.Members > member.CountMax || int(c.Self) >= member.CountMax {
		wrong = append(wrong, fmt.Errorf("journal: member %d of %d members", c.Self, c.Members))
	}
	if c.Identity == 0 {
		wrong = append(wrong, errors.New("journal: no identity was given for a new folder"))
	}
	if c.SegmentBytesMax < 0 {
		wrong = append(wrong, fmt.Errorf("journal: segments of %d bytes", c.SegmentBytesMax))
	}
	if c.SegmentBytesMax == 0 {
		c.SegmentBytesMax = SegmentBytesByDefault
	}
	if c.LoadBytesMax == 0 {
		c.LoadBytesMax = loadBytesByDefault
	}
	if c.PlacesMax == 0 {
		c.PlacesMax = placesByDefault
	}
	if c.Now == nil {
		c.Now = func() time.Time { return time.Time{} }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(wrong...)
}

// start recovers what is there and begins this life's first segment.
func (j *Journal) start() (Life, error) {
	found, err := recoverAll(j.fs, &j.cfg)
	if err != nil {
		return Life{}, err
	}
	life := Life{Identity: j.cfg.Identity, Count: 1}
	j.header = header{
		cluster: j.cfg.Cluster, self: j.cfg.Self, members: j.cfg.Members, list: j.cfg.List,
		identity: life.Identity, life: 1, segment: 1,
	}
	j.anchor, j.state, j.segments, j.shelf = found.anchor, found.state, found.segments(), found.shelf
	for i := range j.segments {
		j.bytes += j.segments[i].bytes
	}
	if newest := found.newest; newest != nil {
		j.header.identity, j.header.life, j.header.segment = newest.header.identity, newest.header.life+1, newest.number+1
		j.last = append(j.last[:0], j.open().held...)
		life = Life{
			Identity: j.header.identity, Count: j.header.life,
			Recovered: j.state.recovered(found.batches(), j.cfg.Members),
		}
		life.Recovered.Older = j.older(found.parts)
	} else if j.cfg.View != nil {
		j.state.view = j.cfg.View
		j.last = longer(j.last, j.state.places(j.cfg.Members))
		life.Recovered = j.state.recovered(nil, j.cfg.Members)
	}
	j.state.place = j.header.self
	j.next.follow(&j.state)
	err = j.openArchive(found)
	if err == nil {
		err = j.begin()
	}
	if err == nil {
		err = j.forget()
	}
	if err != nil {
		return Life{}, errors.Join(err, j.anchor.file.Close(), j.archive.close())
	}
	return life, nil
}

// Keep takes the durable parts of effects into the next sync. It copies them;
// views never change.
// What is settled may wait until something else is synced, for whoever forgot
// it waits until it is settled again. So may a base, for it only lets the
// journal forget; one that the application is reset to may not, since its
// entries count as held from now on.
func (j *Journal) Keep(effects protocol.Effects) {
	before := len(j.group)
	if effects.Binding != nil || effects.Agreed {
		j.keepBinding(effects.Binding, effects.Agreed)
	}
	if effects.Bound != 0 {
		j.next.bound = max(j.next.bound, effects.Bound)
		j.put(kindBound, appendNumber(nil, effects.Bound))
	}
	if effects.Reset != nil {
		j.keepBase(effects.Reset)
	}
	if v := effects.View; v != nil && len(v.Places) > len(j.last) { // batches of its new places may be among these
		j.keepView(v)
		effects.View = nil
	}
	for i := range effects.Append {
		b := &effects.Append[i]
		j.next.note(&j.last[b.Origin], b.Origin, b.Identity, b.Last())
		j.put(kindBatch, b.Bytes)
		j.place(b)
	}
	j.keepChoice(effects) // after the batches that it is about, as what has settled
	j.must = j.must || len(j.group) > before
	if effects.Settled != 0 {
		j.next.settled = max(j.next.settled, effects.Settled)
		j.put(kindSettled, appendNumber(nil, effects.Settled))
	}
	if effects.Base != nil && effects.Reset == nil {
		j.keepBase(effects.Base)
		j.must = j.must || j.IsFull() // nothing else may come before there is room
	}
}

func (j *Journal) keepBinding(binding member.Binding, agreed bool) {
	if binding != nil {
		j.next.binding = append(j.next.binding[:0], binding...)
	}
	k := kindBinding
	if j.next.agreed = j.next.agreed || agreed; j.next.agreed {
		k = kindAgreed
	}
	j.put(k, appendBinding(nil, j.next.binding))
}

// keepChoice keeps the own vote, and the view that counts from now on.
func (j *Journal) keepChoice(effects protocol.Effects) {
	if v := effects.Vote; v != nil {
		p := wire.AppendVoteRecord(nil, v)
		j.next.vote, _ = wire.DecodeVoteRecord(p) // a copy, which cannot fail
		j.put(kindVote, p)
	}
	if effects.View != nil {
		j.keepView(effects.View)
	}
}

func (j *Journal) keepView(v *member.View) {
	j.next.install(v)
	j.put(kindView, member.AppendView(nil, v))
	j.last = longer(j.last, len(v.Places))
	for place := range j.last {
		h := &j.last[place]
		h.last = min(h.last, j.next.needs(member.ID(place), h.identity))
	}
}

func (j *Journal) keepBase(base *protocol.Snapshot) {
	have, state := append(j.next.base.Have[:0], base.Have...), append(j.next.base.State[:0], base.State...)
	j.next.base = protocol.Snapshot{Time: base.Time, Have: have, State: state}
	j.put(kindBase, appendBase(nil, &j.next.base))
	j.based = true
}

// put adds a record to the group, which begins with the place for its mark.
func (j *Journal) put(k kind, body []byte) {
	if len(j.group) == 0 {
		j.group = append(j.group, make([]byte, markRecordBytes)...)
	}
	j.group = appendRecord(j.group, k, body)
}

// Sync makes durable what was kept. An error that wraps [protocol.ErrNoRoom]
// says that the disk had no room for it: nothing was written that counts, and
// the next call tries again. After any other error nothing can be relied upon
// and all further calls give the same error; a restart recovers what was
// acknowledged.
func (j *Journal) Sync() error {
	switch {
	case j.failed != nil:
		return j.failed
	case !j.must && j.IsFull():
		j.failed = j.forget() // readers may have let go of something
		return j.failed
	case !j.must:
		return nil
	}
	err := j.flush()
	if !errors.Is(err, protocol.ErrNoRoom) {
		j.failed = err
	}
	return err
}

// flush writes the group with one write and one sync. If there is no room it
// can be called again: what it did until then is done, or done again.
func (j *Journal) flush() error {
	if size := j.open().bytes; size+int64(len(j.group)) > int64(j.cfg.SegmentBytesMax) && size > j.head {
		if err := j.roll(); err != nil {
			return err
		}
	}
	if j.based { // the index reaches to the base, durably
		if err := j.archive.sync(); err != nil {
			return err
		}
	}
	at := j.open().bytes
	putMark(j.group, at)
	if err := j.write(j.group); err != nil {
		return err
	}
	j.shelf.written(j.open().number, at, j.open().bytes)
	open := j.open()
	open.held = append(open.held[:0], j.last...)
	j.state.follow(&j.next)
	if j.group = j.group[:0]; cap(j.group) > groupBytesKept {
		j.group = nil
	}
	j.must, j.based = false, false
	// The group is durable by now. The index has time until the next base, and
	// what proves the group may be missing after a loss of power, too.
	if err := j.archive.write(false); err != nil && !errors.Is(err, protocol.ErrNoRoom) {
		return err
	}
	if err := j.anchor.note(j.proof()); err != nil && !isNoRoom(err) {
		return fmt.Errorf("journal: write %s: %w", anchorName, err)
	}
	return j.forget()
}

// Close writes what was kept, proves all of it, and lets another process have
// the folder. The journal must not be used afterwards.
func (j *Journal) Close() error {
	j.must = len(j.group) > 0
	err := j.Sync()
	if err == nil {
		err = j.archive.sync()
	}
	if err == nil {
		err = j.anchor.put(j.proof())
	}
	err = errors.Join(err, j.file.Close(), j.anchor.file.Close(), j.archive.close(), j.lock.Close())
	j.shelf.handles.closeAll()
	if j.failed == nil {
		j.failed = errors.New("journal: used after it was closed")
	}
	return err
}
