package driver

import (
	"slices"
	"time"

	"chatterbox/internal/core/protocol"
)

const (
	// eventsPerTurnMax is how many events a turn takes before it flushes.
	eventsPerTurnMax = 64
	// batchesPerTurnMax is how many own batches it submits before it flushes, and
	// batchesPerSyncMax how many if that is to sync a disk.
	batchesPerTurnMax = 16
	batchesPerSyncMax = 64
	// bulkBytes is how much in one message or own batch means bulk, and
	// bulkFor how long it lasts after that: under bulk it pays to take along
	// whatever else waits.
	bulkBytes = 4 << 10
	bulkFor   = 10 * time.Millisecond
)

// turn is what the driver keeps in order to decide about turns.
type turn struct {
	source    Source
	tick      time.Duration
	watched   bool
	events    int           // taken in this turn
	ticked    bool          // one of them was a tick
	viewed    bool          // a view counts since one of them
	resting   bool          // ticks do not come at their pace
	last      time.Duration // when the last one came
	due       time.Duration // when the next one comes, if they rest
	closed    bool          // the own stream has ended
	bulkUntil time.Duration // until when there is bulk
}

// Next is what the world must do after a turn.
type Next struct {
	// Again asks for another turn soon, even if nothing happens.
	Again bool
	// Viewed says that another view counts: who this member is may have changed, so
	// no own batches were taken since.
	Viewed bool
	// Tick is 0 if ticks go on as they do. Otherwise the next one is due after
	// so long, and from then on they are so far apart.
	Tick time.Duration
}

// Take steps an event of this turn: Receive, Up, Down or Tick.
func (d *Driver) Take(event protocol.Event) error {
	d.turn.events++
	switch event.Kind {
	case protocol.Tick:
		d.turn.ticked = true
	case protocol.Receive:
		for i := range event.Message.Batches {
			d.noteBulk(event.Now, event.Message.Batches[i].Size())
		}
	}
	return d.Step(event)
}

// IsFull reports whether the turn has taken as many events as it may: what
// else waits has to wait for the next one.
func (d *Driver) IsFull() bool { return d.turn.events >= eventsPerTurnMax }

// IsBulk reports whether much came or went of late. Then one turn for all that
// waits is cheaper than one for each event as it comes.
func (d *Driver) IsBulk(now time.Duration) bool { return now < d.turn.bulkUntil }

// End ends the turn: it submits own batches and carries out what gathered.
func (d *Driver) End(now time.Duration) (Next, error) {
	err := d.submitOrphans(now)
	again := false
	if err == nil {
		again, err = d.submit(now)
	}
	if err == nil {
		err = d.Flush(now)
	}
	next := Next{Again: again || d.more || len(d.orphans) > 0, Viewed: d.turn.viewed, Tick: d.pace(now)}
	d.turn.ticked, d.turn.viewed, d.turn.events = false, false, 0
	return next, err
}

// Speak is a turn without events, for whoever has just put an entry into the
// source and must not call the application: it sends early, and what there is
// to deliver and to give back waits for the turn that it asks for.
func (d *Driver) Speak(now time.Duration) (Next, error) {
	d.silent = true
	next, err := d.End(now)
	d.silent = false
	next.Again = next.Again || len(d.deliver)+len(d.release) > 0
	return next, err
}

// submitOrphans hands the reducer what is to be written again: copies, for what was
// written before may still be on its way. They were accepted, so no limit of the disk
// keeps them back.
func (d *Driver) submitOrphans(now time.Duration) error {
	for i := range d.orphans {
		b := d.orphans[i]
		if d.failed = d.load(&b); d.failed != nil {
			return d.failed
		}
		if b.Prepared == nil && d.prepare != nil {
			b.Prepared = d.prepare(&b)
		}
		bytes := slices.Clone(b.Bytes)
		if d.orphans[i].Parked > 0 {
			b.Buffer.Release()
		}
		b.Bytes, b.Buffer = bytes, nil
		if err := d.Step(protocol.Event{Kind: protocol.Submit, Now: now, Batch: b}); err != nil {
			return err
		}
	}
	clear(d.orphans)
	d.orphans = d.orphans[:0]
	return nil
}

// submit hands own batches to the reducer as long as it has room for them, and
// reports whether more of them wait. The open one goes as soon as nothing own is
// on its way, so that an entry into an idle cluster leaves at once; otherwise it
// grows until it is full, until what is on its way has arrived, or until a tick.
func (d *Driver) submit(now time.Duration) (again bool, err error) {
	source := d.turn.source
	if source == nil {
		return false, nil
	}
	if d.turn.viewed {
		return true, nil
	}
	partly := d.turn.ticked || !d.reducer.Busy()
	room := d.room()
	most := batchesPerTurnMax
	if d.journal != nil {
		most = batchesPerSyncMax
	}
	for submitted := 0; room > 0; submitted++ {
		if submitted == most {
			return true, nil
		}
		batch, ok := source.Next(partly, room)
		if !ok {
			break
		}
		d.noteBulk(now, batch.Size())
		if err := d.Step(protocol.Event{Kind: protocol.Submit, Now: now, Batch: batch}); err != nil {
			return false, err
		}
		room = d.room()
	}
	source.Stuck(room)
	return false, d.closeStream(now)
}

// room returns how many bytes the next own batch may have.
func (d *Driver) room() int {
	if d.journal != nil && d.journal.IsFull() {
		return 0
	}
	return d.reducer.Room()
}

// closeStream ends the own stream once everything that was accepted is in it.
func (d *Driver) closeStream(now time.Duration) error {
	if d.turn.closed || !d.turn.source.Ended() {
		return nil
	}
	d.turn.closed = true
	return d.Step(protocol.Event{Kind: protocol.Close, Now: now})
}

func (d *Driver) noteBulk(now time.Duration, bytes int) {
	if bytes > bulkBytes {
		d.turn.bulkUntil = now + bulkFor
	}
}

// restMax is how far apart ticks are at most: the world looks after its own with
// them, too.
const restMax = 100 * time.Millisecond

// pace leaves out the ticks that nobody needs; those that come stay as many whole
// ticks apart. A small batch that waits for what is on its way may go with any tick,
// and who waits for the end of a run looks often.
func (d *Driver) pace(now time.Duration) time.Duration {
	t := &d.turn
	if t.tick == 0 || !t.ticked && !t.resting {
		return 0
	}
	if t.ticked {
		t.last = now
	}
	due := now
	if !t.watched && !t.closed && !d.reducer.Busy() {
		due = min(max(now, d.reducer.Next()), now+restMax)
	}
	after := max((due-t.last+t.tick-1)/t.tick, (now-t.last)/t.tick+1) // the last one, in ticks
	due = t.last + after*t.tick
	if t.ticked && due == now+t.tick && !t.resting || !t.ticked && due >= t.due {
		return 0
	}
	t.resting, t.due = due != now+t.tick, due
	return due - now
}
