package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"chatterbox/internal/job/bench"
)

// raftLine carries messages to one peer: a length, and the message as protobuf.
// What waits goes out in one write.
type raftLine struct {
	conn  net.Conn
	queue chan *raftpb.Message
}

const (
	raftBufferBytes = 1 << 20
	raftFrameMax    = 256 << 20
)

// join dials every peer, and reads what every peer sends.
func (p *raftPart) join(ctx context.Context, listener net.Listener, load bench.Load) error {
	accepted := make(chan error, 1)
	go func() {
		for range len(load.Addrs) - 1 {
			conn, err := listener.Accept()
			if err != nil {
				accepted <- err
				return
			}
			context.AfterFunc(ctx, func() { _ = conn.Close() })
			go p.receive(ctx, conn)
		}
		accepted <- nil
	}()
	for i, addr := range load.Addrs {
		if i == load.Self {
			continue
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return fmt.Errorf("raft: dial: %w", err)
		}
		p.lines[i] = &raftLine{conn: conn, queue: make(chan *raftpb.Message, raftQueue)}
		go p.lines[i].write()
	}
	return <-accepted
}

// send queues a message; raft repeats what is dropped because the queue is
// full.
func (l *raftLine) send(m *raftpb.Message) {
	select {
	case l.queue <- m:
	default:
	}
}

func (l *raftLine) close() {
	close(l.queue)
	_ = l.conn.Close()
}

func (l *raftLine) write() {
	out := bufio.NewWriterSize(l.conn, raftBufferBytes)
	var frame []byte
	for m := range l.queue {
		var err error
		if frame, err = (proto.MarshalOptions{}).MarshalAppend(append(frame[:0], 0, 0, 0, 0), m); err != nil {
			panic(err) // our own message
		}
		binary.LittleEndian.PutUint32(frame, uint32(len(frame)-4))
		_, err = out.Write(frame)
		if err == nil && len(l.queue) == 0 {
			err = out.Flush()
		}
		if err != nil {
			for range l.queue { // until the member ends
			}
			return
		}
	}
}

func (p *raftPart) receive(ctx context.Context, conn net.Conn) {
	in := bufio.NewReaderSize(conn, raftBufferBytes)
	for {
		var header [4]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return
		}
		size := binary.LittleEndian.Uint32(header[:])
		if size > raftFrameMax {
			return
		}
		frame := make([]byte, size)
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		m := new(raftpb.Message)
		if err := proto.Unmarshal(frame, m); err != nil {
			return
		}
		select {
		case p.incoming <- m:
		case <-ctx.Done():
			return
		}
	}
}
