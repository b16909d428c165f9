package bench

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const timesBufferBytes = 64 << 10

// Times writes down when entries were sent and when they were delivered at a
// member, in the order of delivery.
type Times struct {
	file   *os.File
	writer *bufio.Writer
}

// timesFile names the file of one member.
func timesFile(load Load, place int) string { return fmt.Sprintf("%s-%d", load.Times, place) }

// CreateTimes begins the file of this member.
func CreateTimes(load Load) (*Times, error) {
	file, err := os.Create(timesFile(load, load.Self))
	if err != nil {
		return nil, fmt.Errorf("bench: delivery times: %w", err)
	}
	return &Times{file: file, writer: bufio.NewWriterSize(file, timesBufferBytes)}, nil
}

// Add notes an entry; times are in nanoseconds since 1970. What is sent is the
// same at all members, so it also proves that they deliver in one order.
func (t *Times) Add(sent, delivered int64) {
	var record [16]byte
	binary.LittleEndian.PutUint64(record[:8], uint64(sent))
	binary.LittleEndian.PutUint64(record[8:], uint64(delivered))
	_, _ = t.writer.Write(record[:]) // Close tells
}

// Close ends the file.
func (t *Times) Close() error {
	if err := errors.Join(t.writer.Flush(), t.file.Close()); err != nil {
		return fmt.Errorf("bench: delivery times: %w", err)
	}
	return nil
}

// joinTimes gathers the latency of each entry: from when it was sent until the
// last member has delivered it. What was sent during the warm-up does not count.
func joinTimes(latency *hdrhistogram.Histogram, load Load, members int) error {
	first := int64(0)
	return eachTime(load, members, func(sent, delivered int64) {
		if first == 0 {
			first = sent
		}
		if sent-first >= int64(load.Warmup) {
			_ = latency.RecordValue(max(delivered-sent, 1))
		}
	})
}

// eachTime joins the files of all members: since all deliver in one order, the
// same place in each is the same entry. It shows when each was sent, and when it
// was delivered at the last member. What was not delivered at every member when
// they stopped is left out.
func eachTime(load Load, members int, visit func(sent, delivered int64)) error {
	readers := make([]*bufio.Reader, members)
	for place := range readers {
		file, err := os.Open(timesFile(load, place))
		if err != nil {
			return fmt.Errorf("bench: delivery times: %w", err)
		}
		defer func() { _ = file.Close() }() //nolint:revive // one a member
		readers[place] = bufio.NewReaderSize(file, timesBufferBytes)
	}
	for {
		sent, delivered, err := nextTimes(readers)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		visit(sent, delivered)
	}
}

// nextTimes reads an entry of each file: when it was sent, and when it was
// delivered at the last member.
func nextTimes(readers []*bufio.Reader) (sent, delivered int64, err error) {
	for place, reader := range readers {
		var record [16]byte
		if _, err := io.ReadFull(reader, record[:]); err != nil {
			return 0, 0, err
		}
		at := int64(binary.LittleEndian.Uint64(record[:8]))
		if place > 0 && at != sent {
			return 0, 0, fmt.Errorf("bench: members 0 and %d delivered in different orders", place)
		}
		sent = at
		delivered = max(delivered, int64(binary.LittleEndian.Uint64(record[8:])))
	}
	return sent, delivered, nil
}
