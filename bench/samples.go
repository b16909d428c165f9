package bench

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	latencyMax     = int64(10 * time.Minute) // the longest latency that is told apart
	latencyDigits  = 3                       // significant digits of a latency
	timesFlushSize = 64 << 10
)

// samples gathers latencies and round trips of all rounds.
type samples struct {
	latency   *hdrhistogram.Histogram // nanoseconds
	roundTrip *hdrhistogram.Histogram // nanoseconds
}

func newSamples() *samples {
	return &samples{
		latency:   hdrhistogram.New(1, latencyMax, latencyDigits),
		roundTrip: hdrhistogram.New(1, latencyMax, latencyDigits),
	}
}

func (s *samples) addRoundTrips(ms []float64) {
	for _, trip := range ms {
		_ = s.roundTrip.RecordValue(int64(trip * 1e6))
	}
}

// times writes down when entries were sent and when they were delivered here,
// in the order of delivery.
type times struct {
	file   *os.File
	writer *bufio.Writer
}

// timesFile names the file of one member.
func timesFile(load Load, place int) string { return fmt.Sprintf("%s-%d", load.Times, place) }

func createTimes(load Load) (*times, error) {
	file, err := os.Create(timesFile(load, load.Self))
	if err != nil {
		return nil, fmt.Errorf("bench: delivery times: %w", err)
	}
	return &times{file: file, writer: bufio.NewWriterSize(file, timesFlushSize)}, nil
}

func (t *times) add(sent, delivered int64) {
	var record [16]byte
	binary.LittleEndian.PutUint64(record[:8], uint64(sent))
	binary.LittleEndian.PutUint64(record[8:], uint64(delivered))
	_, _ = t.writer.Write(record[:]) // close tells
}

func (t *times) close() error { return errors.Join(t.writer.Flush(), t.file.Close()) }

// addTimes joins the files of all members: since all deliver in one order, the
// same place in each is the same entry, and its latency is the longest. What
// was sent during the warm-up does not count.
func (s *samples) addTimes(load Load, members int) error {
	readers := make([]*bufio.Reader, members)
	for place := range readers {
		file, err := os.Open(timesFile(load, place))
		if err != nil {
			return fmt.Errorf("bench: delivery times: %w", err)
		}
		defer func() { _ = file.Close() }()
		readers[place] = bufio.NewReaderSize(file, timesFlushSize)
	}
	first := int64(0)
	for {
		sent, delivered, err := nextTimes(readers)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if first == 0 {
			first = sent
		}
		if sent-first >= int64(load.Warmup) {
			_ = s.latency.RecordValue(max(delivered-sent, 1))
		}
	}
}

func nextTimes(readers []*bufio.Reader) (sent, delivered int64, err error) {
	for place, reader := range readers {
		var record [16]byte
		if _, err := io.ReadFull(reader, record[:]); err != nil {
			return 0, 0, err
		}
		at := int64(binary.LittleEndian.Uint64(record[:8]))
		if place > 0 && at != sent {
			return 0, 0, errors.New("bench: members delivered in different orders")
		}
		sent = at
		delivered = max(delivered, int64(binary.LittleEndian.Uint64(record[8:])))
	}
	return sent, delivered, nil
}
