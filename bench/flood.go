package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// flood is limit and raw at one process: it writes 64 KiB frames of entries to
// all others, and takes theirs in.
type flood struct {
	load    Load
	decode  bool
	entries atomic.Uint64 // appended here, own and others'
	own     atomic.Uint64
	sent    atomic.Uint64 // bytes written to all peers
	ring    logRing
}

// logRing is the log of limit: memory that entries are appended to, begun anew
// when it is full.
type logRing struct {
	mu    sync.Mutex // guards bytes and next: one frame at a time
	bytes []byte
	next  int
}

func newFlood(load Load) *flood {
	f := &flood{load: load, decode: load.Mode == Limit}
	if f.decode {
		f.ring.bytes = make([]byte, logBytes)
	}
	return f
}

// queueFrames is how many frames may wait for the writer of one peer.
const queueFrames = 8

func (f *flood) run(ctx context.Context, out []net.Conn, in []net.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	errs := make(chan error, len(out)+len(in))
	queues := make([]chan int, len(out))
	frame := f.frame()
	for i, conn := range out {
		queues[i] = make(chan int, queueFrames)
		group.Go(func() { errs <- f.write(conn, frame, queues[i]) })
	}
	for _, conn := range in {
		group.Go(func() { errs <- f.read(conn) })
	}
	f.produce(ctx, frame, queues)
	for _, queue := range queues {
		close(queue)
	}
	for _, conn := range append(out, in...) {
		_ = conn.Close()
	}
	group.Wait()
	close(errs)
	for err := range errs {
		if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// frame makes the frame that is sent over and over: length, entry size, entries.
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

// produce appends each frame here and hands it to the writers of all peers.
func (f *flood) produce(ctx context.Context, frame []byte, queues []chan int) {
	count := uint64((len(frame) - frameHeaderBytes) / f.load.Payload)
	for ctx.Err() == nil {
		f.take(frame)
		f.own.Add(count)
		for _, queue := range queues {
			select {
			case queue <- 1:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (f *flood) write(conn net.Conn, frame []byte, queue chan int) error {
	for range queue {
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
func (f *flood) read(conn net.Conn) error {
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
			if length < frameHeaderBytes || length > 2*frameBytes {
				return fmt.Errorf("bench: frame of %d bytes", length)
			}
			if end-start < length {
				break
			}
			f.take(buffer[start : start+length])
			start += length
		}
		if len(buffer)-end < frameBytes {
			end = copy(buffer, buffer[start:end])
			start = 0
		}
	}
}

// take counts the entries of a frame; limit decodes and appends each of them.
func (f *flood) take(frame []byte) {
	size := int(binary.LittleEndian.Uint32(frame[4:]))
	entries := frame[frameHeaderBytes:]
	f.entries.Add(uint64(len(entries) / size))
	if f.decode {
		f.ring.append(entries, size)
	}
}

func (r *logRing) append(entries []byte, size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
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

// counts gives what was taken in so far.
func (f *flood) counts() (entries, own, sent uint64) {
	return f.entries.Load(), f.own.Load(), f.sent.Load()
}

// connect dials every peer and takes a connection from every peer.
func connect(listener net.Listener, load Load) (out, in []net.Conn, err error) {
	accepted := make(chan error, 1)
	go func() {
		for range len(load.Addrs) - 1 {
			conn, err := listener.Accept()
			if err != nil {
				accepted <- err
				return
			}
			in = append(in, conn)
		}
		accepted <- nil
	}()
	for i, addr := range load.Addrs {
		if i == load.Self {
			continue
		}
		conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			return out, nil, fmt.Errorf("bench: dial member %d: %w", i, err)
		}
		out = append(out, conn)
	}
	return out, in, <-accepted
}
