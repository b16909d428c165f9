package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
)

// TestLimitAppendsWhatWasWritten sends frames through a connection and looks
// at the log of the other end.
func TestLimitAppendsWhatWasWritten(t *testing.T) {
	for _, size := range []int{8, 100, 1 << 10, frameBytes} {
		near, far := net.Pipe()
		writer := &flood{load: Load{Mode: Limit, Payload: size, Addrs: make([]string, 2)}}
		reader := &flood{load: writer.load, decode: true}
		frame := writer.frame()
		queue := make(chan []byte, 3)
		for range cap(queue) {
			queue <- frame
		}
		close(queue)
		wrote := make(chan error, 1)
		go func() {
			wrote <- writer.write(near, queue)
			_ = near.Close()
		}()
		log := reader.newLog()
		if err := reader.read(far, log); !errors.Is(err, io.EOF) {
			t.Errorf("size %d: read: %v", size, err)
		}
		if err := <-wrote; err != nil {
			t.Errorf("size %d: write: %v", size, err)
		}
		want := bytes.Repeat(frame[frameHeaderBytes:], 3)
		if !bytes.Equal(log.bytes[:log.next], want) {
			t.Errorf("size %d: the log differs from what was written", size)
		}
		if got, want := reader.counts().Entries, uint64(len(want)/size); got != want {
			t.Errorf("size %d: %d entries, want %d", size, got, want)
		}
		if got, want := writer.counts().Sent, uint64(3*len(frame)); got != want {
			t.Errorf("size %d: sent %d bytes, want %d", size, got, want)
		}
	}
}

func TestFloodRefusesBrokenFrames(t *testing.T) {
	for _, header := range [][2]uint32{{0, 8}, {7, 8}, {3 * frameBytes, 8}, {64, 0}, {64, 7}} {
		near, far := net.Pipe()
		go func() {
			bytes := binary.LittleEndian.AppendUint32(nil, header[0])
			_, _ = near.Write(binary.LittleEndian.AppendUint32(bytes, header[1]))
		}()
		f := &flood{load: Load{Payload: 8, Addrs: make([]string, 2)}}
		if err := f.read(far, nil); err == nil || isFarewell(err) {
			t.Errorf("header %v: %v", header, err)
		}
		_ = near.Close()
	}
}

func TestLogBeginsAnewWhenFull(t *testing.T) {
	log := &logRing{bytes: make([]byte, 20)}
	log.append([]byte("aaaaaaaabbbbbbbb"), 8)
	log.append([]byte("cccccccc"), 8)
	if got := string(log.bytes[:16]); got != "ccccccccbbbbbbbb" || log.next != 8 {
		t.Errorf("log %q, next at %d", got, log.next)
	}
}
