package driver

import (
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

const (
	// readyBatchesMax is how many closed batches wait for the driver. It is enough
	// to keep it busy while whoever fills them does not run.
	readyBatchesMax = 4
	// readyDurableMax is how many do if there is a disk: what is filled while it
	// syncs shares the next sync.
	readyDurableMax = batchesPerSyncMax
)

// Outbox is a source that gathers payloads as they come: in the open batch, and
// in closed ones. When both are full, whoever has more must wait: that is the
// back-pressure. It has no lock: a world of several goroutines puts one round
// it.
type Outbox struct {
	prepare    func(*protocol.Batch) any
	entriesMax int
	readyMax   int // closed batches
	builder    *wire.Builder
	full       bool             // the open batch has no room for what comes next
	ready      []protocol.Batch // closed, oldest first
	eager      bool             // the driver wants the open batch as soon as it has an entry
	ended      bool             // nothing more will come
	cut        bool             // what finds no room is dropped
	dropped    uint64           // entries that were taken in and dropped
}

// NewOutbox returns an outbox of batches of up to batchBytesMax bytes, and of
// up to entriesMax entries if that is not 0, in buffers of the pool. A closed
// batch is prepared while it is warm, unless prepare is nil.
func NewOutbox(pool *protocol.Pool, batchBytesMax, entriesMax int, prepare func(*protocol.Batch) any) *Outbox {
	return &Outbox{
		prepare: prepare, entriesMax: entriesMax, readyMax: readyBatchesMax,
		builder: wire.NewBuilder(pool, batchBytesMax),
		ready:   make([]protocol.Batch, 0, readyBatchesMax),
	}
}

// Durable has the outbox gather more, for a driver that waits for a disk.
func (o *Outbox) Durable() { o.readyMax = readyDurableMax }

// Put is what came of putting something into an outbox.
type Put struct {
	Done    bool // it is in; otherwise there is no room, and it has to wait
	Entries int  // how many payloads were put in
	Closed  bool // a batch is full: the driver should make a turn
	Wanted  bool // the driver waits for entries: it should make a turn at once
}

// Add copies a payload into the open batch.
func (o *Outbox) Add(payload []byte) Put {
	return o.put(func() (int, bool) { return 1, o.builder.Add(payload) })
}

// AddKeyed is Add for a payload with a key.
func (o *Outbox) AddKeyed(key string, payload []byte) Put {
	return o.put(func() (int, bool) { return 1, o.builder.AddKeyed(key, payload) })
}

// Fill lets the caller write payloads of size bytes each side by side into the
// open batch. It is done if fill writes none.
func (o *Outbox) Fill(size int, fill func(dst []byte) int) Put {
	return o.put(func() (int, bool) {
		none := false
		added := o.builder.Fill(size, func(dst []byte) int {
			if o.entriesMax > 0 {
				dst = dst[:min(len(dst), (o.entriesMax-o.builder.Len())*size)]
			}
			n := fill(dst)
			none = n == 0
			return n
		})
		return added, added > 0 || none
	})
}

// put tries with the open batch, and if that is full with a new one.
func (o *Outbox) put(try func() (entries int, done bool)) (put Put) {
	for {
		if !o.full {
			entries, done := try()
			if done {
				put.Entries = entries
				o.added(&put)
				return put
			}
			o.full = true
		}
		if !o.shift(&put) {
			return put
		}
	}
}

// added closes the open batch if it has all the entries that it may have.
func (o *Outbox) added(put *Put) {
	if o.builder.Len() == o.entriesMax && o.entriesMax > 0 {
		o.full = true
		o.shift(put)
	}
	put.Done, put.Wanted, o.eager = true, o.eager, false
}

// shift moves the full open batch to those that are ready, and reports whether
// there was room for it. It is prepared now, while it is warm.
func (o *Outbox) shift(put *Put) bool {
	if len(o.ready) == o.readyMax {
		return false
	}
	o.ready = append(o.ready, o.closeBatch())
	put.Closed = true
	return true
}

// closeBatch ends the open batch.
func (o *Outbox) closeBatch() protocol.Batch {
	batch := o.builder.Take()
	o.full = false
	if o.prepare != nil {
		batch.Prepared = o.prepare(&batch)
	}
	return batch
}

// Next returns the oldest batch, if it has at most bytesMax bytes: the open one
// if it is full or partly filled ones are wanted. If there is none the next entry
// will be wanted.
func (o *Outbox) Next(partly bool, bytesMax int) (batch protocol.Batch, ok bool) {
	o.eager = false
	switch {
	case o.oldest() > bytesMax:
	case len(o.ready) > 0:
		batch, ok = o.ready[0], true
		o.ready = o.ready[:copy(o.ready, o.ready[1:])]
	case o.full || partly && o.builder.Len() > 0:
		batch, ok = o.closeBatch(), true
	default:
		o.eager = partly
	}
	return batch, ok
}

// oldest returns the size of the batch that goes next, as it is now; 0 if there
// is none.
func (o *Outbox) oldest() int {
	if len(o.ready) > 0 {
		return o.ready[0].Size()
	}
	return o.builder.Size()
}

// HasRoom reports whether those that wait should try again: half of the room is
// free.
func (o *Outbox) HasRoom() bool { return len(o.ready) <= o.readyMax/2 }

// End says that nothing more will come; what is there can still be taken. If
// cut is set, what finds no room then is dropped.
func (o *Outbox) End(cut bool) { o.ended, o.cut = true, o.cut || cut }

// Ended reports whether nothing is left and nothing will come.
func (o *Outbox) Ended() bool {
	return o.ended && len(o.ready) == 0 && o.builder.Len() == 0
}

// Stuck drops what is left if the outbox was cut and there is no room for it:
// there is for a batch of bytesMax bytes.
func (o *Outbox) Stuck(bytesMax int) {
	if o.cut && o.oldest() > bytesMax {
		o.drop()
	}
}

// Discard drops what is left: nobody will ever have room for it.
func (o *Outbox) Discard() { o.drop() }

// Dropped returns how many entries were taken in and dropped.
func (o *Outbox) Dropped() uint64 { return o.dropped }

// Close drops all that is left and gives the memory back. The outbox must not
// be used afterwards.
func (o *Outbox) Close() {
	o.drop()
	o.builder.Close()
}

func (o *Outbox) drop() {
	for i := range o.ready {
		o.dropped += uint64(o.ready[i].Count)
		o.ready[i].Buffer.Release()
	}
	clear(o.ready)
	o.ready = o.ready[:0]
	if o.builder.Len() > 0 {
		batch := o.builder.Take()
		o.dropped += uint64(batch.Count)
		batch.Buffer.Release()
	}
	o.full = false
}
