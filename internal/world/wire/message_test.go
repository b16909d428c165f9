package wire

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// draws gives the parts of messages, the extremes more often than chance would.
type draws struct{ *rapid.T }

func (d draws) any() uint64 {
	return rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, math.MaxUint64})).Draw(d.T, "number")
}

func (d draws) id() member.ID {
	return member.ID(rapid.IntRange(0, member.CountMax-1).Draw(d.T, "member"))
}

func (d draws) time() clock.Time {
	return clock.Time(rapid.Uint64Range(0, uint64(clock.Infinity)).Draw(d.T, "time"))
}

func (d draws) flip() bool { return rapid.Bool().Draw(d.T, "flip") }

func (d draws) few() int { return rapid.IntRange(0, 4).Draw(d.T, "few") }

// message draws a message of any parts.
func (d draws) message() protocol.Message {
	m := protocol.Message{From: d.id(), Identity: member.Identity(d.any()), Session: d.any()}
	if d.flip() {
		m.View = protocol.Tag{Number: d.any(), Lineage: d.any()}
	}
	if d.flip() {
		m.Number = d.any()
		m.Stable = d.time()
		m.Ack = protocol.Ack{Session: d.any(), Ranges: d.ranges()}
	}
	for range d.few() {
		m.Binding = append(m.Binding, member.Identity(d.any()))
		m.Pulls = append(m.Pulls, protocol.Pull{Stream: d.id(), Cancel: d.flip()})
		m.Rows = append(m.Rows, d.row(m.Identity))
	}
	if d.flip() {
		m.Snapshot = d.snapshot()
	}
	if rapid.IntRange(0, 3).Draw(d.T, "changes") == 0 {
		d.changes(&m)
	}
	for range d.few() {
		m.Batches = append(m.Batches, d.batch())
	}
	return m
}

// ranges draws what an acknowledgement may name, up to the last number there is.
func (d draws) ranges() (ranges []protocol.Range) {
	end := uint64(0)
	for range rapid.IntRange(0, protocol.AckRangesMax).Draw(d.T, "ranges") {
		if end == math.MaxUint64 {
			break
		}
		first := rapid.Uint64Range(end+1, math.MaxUint64).Draw(d.T, "first")
		end = rapid.Uint64Range(first, math.MaxUint64).Draw(d.T, "last")
		ranges = append(ranges, protocol.Range{First: first, Last: end})
	}
	return ranges
}

func (d draws) row(own member.Identity) protocol.Row {
	row := protocol.Row{Member: d.id(), Identity: own, Version: d.any(), Binding: d.any(), Old: d.flip(), Wedged: d.flip()}
	if d.flip() {
		row.View, row.Clock = d.any(), d.time()
	}
	if d.flip() {
		row.Identity = member.Identity(d.any())
	}
	for range d.few() {
		row.Hears.Add(d.id())
	}
	for range d.few() {
		mark := clock.Mark{Have: d.any(), Promise: d.time()}
		row.Marks = append(row.Marks, protocol.StreamMark{Stream: d.id(), Mark: mark})
	}
	return row
}

func (d draws) snapshot() *protocol.Snapshot {
	snapshot := &protocol.Snapshot{Time: d.time()}
	for range d.few() {
		snapshot.Have = append(snapshot.Have, d.any())
	}
	snapshot.State = rapid.SliceOfN(rapid.Byte(), 0, protocol.StateBytesMax).Draw(d.T, "state")
	return snapshot
}

func (d draws) batch() protocol.Batch {
	b := sealed(d.T, somePayloads().Filter(func(p [][]byte) bool { return len(p) < 10 }).Draw(d.T, "payloads")...)
	b.Origin, b.Identity = d.id(), member.Identity(d.any())
	b.Seq = rapid.Uint64Range(1, SeqMax-uint64(b.Count)+1).Draw(d.T, "seq")
	b.Time = clock.Time(rapid.Uint64Range(1, uint64(clock.Infinity)-1).Draw(d.T, "time"))
	Seal(&b)
	b.Buffer = nil
	return b
}

// bodyOf returns the body of the one frame of a message.
func bodyOf(tb rapid.TB, frame []byte) []byte {
	tb.Helper()
	kind, body, rest, err := CutFrame(frame, FrameBytesMax)
	if err != nil || kind != KindMessage || len(rest) != 0 {
		tb.Fatalf("frame of kind %d with a rest of %d: %v", kind, len(rest), err)
	}
	return body
}

func TestMessageComesBack(t *testing.T) {
	reused := &protocol.Message{} // whatever it held before must not show
	draw.Check(t, func(t *rapid.T) {
		want := draws{t}.message()
		body := bodyOf(t, AppendFrame([]byte("before"), &want)[len("before"):])
		for _, got := range []*protocol.Message{{}, reused} {
			if err := DecodeMessage(body, got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestHeadAndBatchesAreTheFrame(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		m := draws{t}.message()
		gathered := AppendMessage(nil, &m)
		for _, b := range m.Batches {
			gathered = append(gathered, b.Bytes...)
		}
		if !bytes.Equal(gathered, AppendFrame(nil, &m)) {
			t.Fatal("gathering makes another frame than copying")
		}
	})
}

func TestCutOffMessagesAreRefused(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		m := draws{t}.message()
		m.Batches = nil
		body := bodyOf(t, AppendFrame(nil, &m))
		for length := range body {
			if err := DecodeMessage(body[:length], &protocol.Message{}); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%d of %d bytes: error is %v", length, len(body), err)
			}
		}
	})
}

func TestBrokenMessagesAreRefused(t *testing.T) {
	const head = "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01" // sender 1, identity 0, session 1
	const huge = "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"     // a number of 63 bits
	const choice = "\x01\x00\x00\x00\x00\x00\x00\x00\x00"   // of view 1
	for name, c := range map[string]struct{ body, reason string }{
		"sender too large":       {"\x00\x00\x80\x20" + head[1:], "sender is 4096"},
		"number unended":         {"\x01\x00" + head + "\x80\x80", "number is missing"},
		"number of 70 bits":      {"\x01\x00" + head + "\xff" + huge, "number is missing"},
		"17 ranges":              {"\x02\x00" + head + "\x01\x11" + string(bytes.Repeat([]byte{1, 0}, 17)), "number of ranges is 17"},
		"range from 0":           {"\x02\x00" + head + "\x01\x01\x00\x00", "range from 0 to 0 after 0"},
		"range that wraps":       {"\x02\x00" + head + "\x01\x02\x01\x00" + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", "range from 0 to 0 after 1"},
		"range with a late end":  {"\x02\x00" + head + "\x01\x01\x02" + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "range from 2 to 1"},
		"stable beyond infinity": {"\x04\x00" + head + "\x81\x80\x80\x80\x80\x80\x80\x80\x40", "stable time is"},
		"huge binding":           {"\x08\x00" + head + huge, "length is 9223372036854775807"},
		"binding of 4,097":       {"\x08\x00" + head + "\x81\x20" + string(make([]byte, 8*4097)), "length is 4097"},
		"binding without bytes":  {"\x08\x00" + head + "\x02" + string(make([]byte, 15)), "length is 2, but only 15 bytes follow"},
		"huge rows":              {"\x20\x00" + head + huge, "count is 9223372036854775807"},
		"rows without bytes":     {"\x20\x00" + head + "\x02" + string(make([]byte, 9)), "count is 2, but only 9 bytes"},
		"row with unknown bits":  {"\x20\x00" + head + "\x01\x00\x81\x00\x00\x00", "unknown bits 0x81"},
		"row with a huge set":    {"\x20\x00" + head + "\x01\x00\x01\x00\x41" + string(make([]byte, 70)), "words of hears is 65"},
		"row with huge marks":    {"\x20\x00" + head + "\x01\x00\x01\x00\x00" + huge, "number of marks is"},
		"mark of stream -1":      {"\x20\x00" + head + "\x01\x00\x01\x00\x00\x01\x01\x00\x00", "mark: stream 18446744073709551615"},
		"mark of stream 4,096":   {"\x20\x00" + head + "\x01\x00\x01\x00\x00\x01\x80\x40\x00\x00", "mark: stream 4096"},
		"promise below 0":        {"\x20\x00" + head + "\x01\x00\x01\x00\x00\x01\x00\x00\x02", "is no time"},
		"huge pulls":             {"\x40\x00" + head + huge, "pulls: count is"},
		"pull of stream 4,096":   {"\x40\x00" + head + "\x01\x80\x40", "pull: stream is 8192"},
		"huge snapshot":          {"\x80\x00" + head + "\x01" + huge, "number of streams is"},
		"snapshot without state": {"\x80\x00" + head + "\x01\x01\x01", "state is missing"},
		"state too long":         {"\x80\x00" + head + "\x01\x01\x01\x81\x02" + string(make([]byte, 257)), "state is 257"},
		"unknown parts":          {"\x00\x10" + head, "unknown parts 0x1000"},
		"huge views":             {"\x00\x02" + head + huge, "views: count is 9223372036854775807"},
		"9 views":                {"\x00\x02" + head + "\x09" + string(make([]byte, 400)), "views: count is 9"},
		"view of nothing":        {"\x00\x02" + head + "\x01" + string(make([]byte, 40)), "a view has a number and a lineage"},
		"huge bids":              {"\x00\x04" + head + choice + huge, "number of bids is 9223372036854775807"},
		"65 bids":                {"\x00\x04" + head + choice + "\x41" + string(make([]byte, 2000)), "number of bids is 65"},
		"bid of place 4,096":     {"\x00\x04" + head + choice + "\x01\x01\x80\x20" + string(make([]byte, 20)), "bid: ballot is 4096"},
		"bid with unknown bits":  {"\x00\x04" + head + choice + "\x01\x01\x00" + string(make([]byte, 12)) + "\x02", "bid: view: unknown bits 0x2"},
		"bid with a long name":   {"\x00\x04" + head + choice + "\x01\x01\x00" + string(make([]byte, 9)) + "\x89\x02" + string(make([]byte, 600)), "change: name is 265"},
		"huge votes":             {"\x00\x04" + head + choice + "\x00" + huge, "number of votes is 9223372036854775807"},
		"vote at no time":        {"\x00\x04" + head + choice + "\x00\x01" + string(make([]byte, 12)) + huge + "\x00\x00\x00", "vote: clock is"},
		"vote with huge streams": {"\x00\x04" + head + choice + "\x00\x01" + string(make([]byte, 13)) + huge, "number of streams is"},
		"cut off wish":           {"\x00\x08" + head + "\x01", "change: identity is missing"},
		"bytes after the parts":  {"\x00\x00" + head + "\x00", "1 bytes are less than a header"},
	} {
		err := DecodeMessage([]byte(c.body), &protocol.Message{})
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: error is %v, should say %q", name, err, c.reason)
		}
	}
}

// TestGarbageDoesNotTakeMemory decodes frames that claim as many elements as
// their bytes can pay for: no more than a small multiple is allocated.
func TestGarbageDoesNotTakeMemory(t *testing.T) {
	const length, factorMax = 1 << 16, 64
	head := "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01"
	zeros := string(make([]byte, length))
	for name, body := range map[string]string{
		"rows":     "\x20\x00" + head + "\x80\x20" + zeros,
		"marks":    "\x20\x00" + head + "\x01\x00\x01\x00\x00\x80\x20" + zeros,
		"pulls":    "\x40\x00" + head + "\x80\x20" + zeros,
		"binding":  "\x08\x00" + head + "\x80\x20" + zeros,
		"snapshot": "\x80\x00" + head + "\x01\x80\x20" + zeros,
		"views":    "\x00\x02" + head + "\x08" + "\x01" + zeros[:17] + "\x80\x20" + zeros,
		"bids":     "\x00\x04" + head + zeros[:9] + "\x40" + zeros,
		"votes":    "\x00\x04" + head + zeros[:9] + "\x00\x80\x20" + zeros,
		"streams":  "\x00\x04" + head + zeros[:9] + "\x00\x01" + zeros[:13] + "\x80\x20" + zeros,
		"batches":  "\x00\x00" + head + zeros,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := DecodeMessage([]byte(body), &protocol.Message{})
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > factorMax*length {
			t.Errorf("%s: %d bytes of garbage took %d bytes (error %v)", name, len(body), took, err)
		}
	}
}

func TestMessageAboveTheFrameLimitPanics(t *testing.T) {
	large := sealed(t, make([]byte, PayloadBytesMax))
	m := &protocol.Message{Batches: []protocol.Batch{large, large, large}}
	AppendMessage(nil, m)
	m.Batches = append(m.Batches, large)
	if !panics(func() { AppendMessage(nil, m) }) {
		t.Fatal("no panic")
	}
}

// FuzzDecodeMessage: what is accepted can be written, and read and written
// again it is the same.
func FuzzDecodeMessage(f *testing.F) {
	for i := range 20 {
		m := rapid.Custom(func(t *rapid.T) protocol.Message { return draws{t}.message() }).Example(i)
		_, body, _, err := CutFrame(AppendFrame(nil, &m), FrameBytesMax)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var m, again protocol.Message
		if err := DecodeMessage(body, &m); err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		frame := AppendFrame(nil, &m)
		if err := DecodeMessage(bodyOf(t, frame), &again); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(frame, AppendFrame(nil, &again)) {
			t.Fatalf("%+v became %+v", m, again)
		}
	})
}
