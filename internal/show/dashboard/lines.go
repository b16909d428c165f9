package dashboard

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
	"time"

	"chatterbox/internal/proof/trace"
)

// lines keeps the latest events of a run as lines of its trace, for those who
// ask for it.
type lines struct {
	header []byte

	mu      sync.Mutex // guards all below
	blocks  [][]byte   // the last one grows
	base    int        // number of the first block that is kept
	dropped int        // events of the blocks before
	counts  []int      // events of each block
	all     uint64     // events so far
	ended   bool
	changed chan struct{}
}

const (
	blockBytes = 64 << 10
	blocksMax  = 256
)

func newLines(header trace.Header) *lines {
	var text bytes.Buffer
	_ = trace.NewWriter(&text, header).Flush() // a buffer takes everything
	return &lines{header: text.Bytes(), changed: make(chan struct{})}
}

func (l *lines) add(e *trace.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.blocks) - 1
	if last < 0 || len(l.blocks[last]) > blockBytes-trace.LineBytesMax/64 {
		if len(l.blocks) == blocksMax {
			l.dropped += l.counts[0]
			l.blocks, l.counts = append([][]byte(nil), l.blocks[1:]...), append([]int(nil), l.counts[1:]...)
			l.base++
		}
		l.blocks, l.counts = append(l.blocks, make([]byte, 0, blockBytes)), append(l.counts, 0)
		last = len(l.blocks) - 1
	}
	l.blocks[last] = append(trace.AppendJSON(l.blocks[last], e), '\n')
	l.counts[last]++
	l.all++
	l.wake()
}

func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended && len(l.blocks) > 0 && l.base == 0 {
		last := len(l.blocks) - 1
		l.blocks[last] = trace.AppendEnd(l.blocks[last], l.all) // else the beginning is missing, and so is the end
	}
	l.ended = true
	l.wake()
}

func (l *lines) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// from returns what stands behind a place, and the place behind that. Ok is
// false if it is not kept any more.
func (l *lines) from(block, offset int) (data []byte, nextBlock, nextOffset int, ended, ok bool, more chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if block < l.base {
		return nil, 0, 0, l.ended, false, l.changed
	}
	if block-l.base >= len(l.blocks) {
		return nil, block, offset, l.ended, true, l.changed
	}
	whole := l.blocks[block-l.base]
	data = whole[offset:len(whole):len(whole)]
	if block-l.base < len(l.blocks)-1 {
		return data, block + 1, 0, false, true, l.changed
	}
	return data, block, len(whole), l.ended, true, l.changed
}

// first returns the place of the first line that is kept, and how many events
// came before it.
func (l *lines) first() (block, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.base, l.dropped
}

// serve writes the trace as far as it is kept, and goes on until the run ends
// or nobody reads.
func (l *lines) serve(w http.ResponseWriter, r *http.Request) {
	block, dropped := l.first()
	if dropped > 0 {
		w.Header().Set("Chatterbox-Events-Forgotten", strconv.Itoa(dropped))
	}
	control := http.NewResponseController(w)
	offset, data := 0, l.header
	for {
		if len(data) > 0 {
			_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
			if _, err := w.Write(data); err != nil || control.Flush() != nil {
				return
			}
		}
		var ended, ok bool
		var more chan struct{}
		data, block, offset, ended, ok, more = l.from(block, offset)
		switch {
		case !ok:
			return // too slow: what comes next is forgotten
		case len(data) > 0:
		case ended:
			return
		default:
			select {
			case <-more:
			case <-r.Context().Done():
				return
			}
		}
	}
}
