package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"chatterbox/internal/proof/workload"
)

// flood is limit, fresh and raw at one process: it writes 64 KiB frames of
// entries to all others, and takes theirs in.
type flood struct {
	load    Load
	decode  bool
	entries atomic.Uint64 // appended here, own and others'
	own     atomic.Uint64
	sent    atomic.Uint64 // bytes written to all peers
	logs    []*logRing    // of the own stream, and of each connection
}

// newFlood makes a flood with a log for each stream, so that nobody waits for
// anybody else: the limit has no order to keep.
func newFlood(load Load, connections int) *flood {
	f := &flood{load: load, decode: load.Mode != Raw}
	for range 1 + connections {
		f.logs = append(f.logs, f.newLog())
	}
	return f
}

func measureFlood(ctx context.Context, listener net.Listener, load Load, barrier Barrier) (Result, error) {
	out, in, err := connect(ctx, listener, load)
	if err != nil {
		return Result{}, err
	}
	f := newFlood(load, len(in))
	if err := barrier(); err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.run(ctx, out, in) }()
	result, err := Window(ctx, load, Gauge{Counts: f.counts}, barrier)
	cancel()
	return result, errors.Join(err, <-done)
}

// queueFrames is how many frames may wait for the writer of one peer.
const queueFrames = 8

// run floods until ctx ends.
func (f *flood) run(ctx context.Context, out, in []net.Conn) error {
	var group sync.WaitGroup
	errs := make(chan error, len(out)+len(in))
	queues := make([]chan []byte, len(out))
	for i, conn := range out {
		queues[i] = make(chan []byte, queueFrames)
		group.Go(func() { errs <- f.write(conn, queues[i]) })
	}
	for i, conn := range in {
		group.Go(func() { errs <- f.read(conn, f.logs[1+i]) })
	}
	f.produce(ctx, queues)
	for _, queue := range queues {
		close(queue)
	}
	for _, conn := range slices.Concat(out, in) {
		_ = conn.Close()
	}
	group.Wait()
	close(errs)
	for err := range errs {
		if !isFarewell(err) {
			return err
		}
	}
	return nil
}

// isFarewell reports whether a connection ended because one end has measured enough.
// Who ends too early is noticed by its missing result.
func isFarewell(err error) bool {
	return err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// frame makes a frame: length, entry size, entries.
func (f *flood) frame() []byte {
	count := max(1, (frameBytes-frameHeaderBytes)/f.load.Payload)
	frame := make([]byte, frameHeaderBytes+count*f.load.Payload)
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)))
	binary.LittleEndian.PutUint32(frame[4:], uint32(f.load.Payload))
	for i := frameHeaderBytes; i+8 <= len(frame); i += 8 {
		binary.LittleEndian.PutUint64(frame[i:], uint64(i)*0x9e3779b97f4a7c15)
	}
	return frame
}

// framesInUse is how many frames may be in use at once: those that wait for a
// writer, the one that is being written, and the one that is being filled.
const framesInUse = queueFrames + 2

// produce appends each frame here and hands it to the writers of all peers.
// Limit sends one frame over and over; Fresh draws the entries of each anew, in
// turns in as many frames as are in use at once.
func (f *flood) produce(ctx context.Context, queues []chan []byte) {
	frames := [][]byte{f.frame()}
	draw := func([]byte) {}
	if f.load.Mode == Fresh {
		for len(frames) < framesInUse {
			frames = append(frames, f.frame())
		}
		numbers := workload.NewNumbers(1, f.load.Self)
		draw = func(entries []byte) { numbers.Fill(entries[:len(entries)/workload.EntryBytes*workload.EntryBytes]) }
	}
	for turn := 0; ctx.Err() == nil; turn++ {
		frame := frames[turn%len(frames)]
		draw(frame[frameHeaderBytes:])
		f.own.Add(f.take(frame, f.logs[0]))
		for _, queue := range queues {
			select {
			case queue <- frame:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (f *flood) write(conn net.Conn, queue chan []byte) error {
	for frame := range queue {
		n, err := conn.Write(frame)
		f.sent.Add(uint64(n))
		if err != nil {
			for range queue { // let the producer go on until all stop
			}
			return fmt.Errorf("bench: write: %w", err)
		}
	}
	return nil
}

// read takes frames in: up to 64 KiB a read, whole frames at a time.
func (f *flood) read(conn net.Conn, log *logRing) error {
	buffer := make([]byte, 4*frameBytes)
	start, end := 0, 0
	for {
		n, err := conn.Read(buffer[end:min(end+frameBytes, len(buffer))])
		if err != nil {
			return err
		}
		end += n
		for end-start >= frameHeaderBytes {
			length := int(binary.LittleEndian.Uint32(buffer[start:]))
			size := int(binary.LittleEndian.Uint32(buffer[start+4:]))
			if length < frameHeaderBytes || length > 2*frameBytes || size < payloadMin {
				return fmt.Errorf("bench: frame of %d bytes with entries of %d", length, size)
			}
			if end-start < length {
				break
			}
			f.take(buffer[start:start+length], log)
			start += length
		}
		if len(buffer)-end < frameBytes {
			end = copy(buffer, buffer[start:end])
			start = 0
		}
	}
}

// take counts the entries of a frame; all but raw decode and append each of them.
func (f *flood) take(frame []byte, log *logRing) uint64 {
	size := int(binary.LittleEndian.Uint32(frame[4:]))
	entries := frame[frameHeaderBytes:]
	count := uint64(len(entries) / size)
	if f.decode {
		log.append(entries, size)
	}
	f.entries.Add(count)
	return count
}

// logRing is the log of one stream: memory that entries are appended to, begun
// anew when it is full.
type logRing struct {
	bytes []byte
	next  int
}

// newLog makes the log of one stream, nil for raw. Each page is touched, for
// the first touch costs more than the append that is to be measured.
func (f *flood) newLog() *logRing {
	if !f.decode {
		return nil
	}
	members := len(f.load.Addrs)
	r := &logRing{bytes: make([]byte, max(2*frameBytes, min(logBytes, logBytesOfAll/members)/members))}
	for i := 0; i < len(r.bytes); i += pageBytes {
		r.bytes[i] = 1
	}
	return r
}

func (r *logRing) append(entries []byte, size int) {
	if len(r.bytes)-r.next < len(entries) {
		r.next = 0
	}
	to := r.bytes[r.next : r.next+len(entries)]
	r.next += len(entries)
	if size == 8 {
		for len(entries) >= 8 && len(to) >= 8 {
			binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(entries))
			entries, to = entries[8:], to[8:]
		}
		return
	}
	for ; len(entries) >= size; entries, to = entries[size:], to[size:] {
		copy(to, entries[:size])
	}
}

// counts returns what was taken in so far.
func (f *flood) counts() Counts {
	return Counts{Entries: f.entries.Load(), Own: f.own.Load(), Sent: f.sent.Load()}
}
