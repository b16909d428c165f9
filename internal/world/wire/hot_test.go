package wire

import (
	"testing"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// hotMessage makes what the hot path sends most: four full batches of numbers,
// what is stable, and the own row with a mark for each of three streams.
func hotMessage() *protocol.Message {
	const batches, batchBytes = 4, 16 << 10
	builder := NewBuilder(protocol.NewPool(128<<10, 1), batchBytes)
	m := &protocol.Message{From: 2, Identity: 0x1122334455667788, Session: 1<<32 | 1, Stable: 1 << 20}
	row := protocol.Row{Member: 2, Identity: m.Identity, Version: 1 << 20, Binding: 0x99}
	row.Hears.Add(0)
	for stream := range member.ID(3) {
		mark := clock.Mark{Have: 1e9 + uint64(stream), Promise: 1<<20 + 5}
		row.Marks = append(row.Marks, protocol.StreamMark{Stream: stream, Mark: mark})
	}
	m.Rows = []protocol.Row{row}
	for i := range batches {
		builder.Fill(8, writeNumbers)
		m.Batches = append(m.Batches, place(builder.Take(), uint64(1+i)*1e9))
	}
	return m
}

func entriesOf(m *protocol.Message) (entries int) {
	for i := range m.Batches {
		entries += int(m.Batches[i].Count)
	}
	return entries
}

// TestWireBytesPerEntry holds the format to its promise: at most 8.1 bytes on
// the wire for an entry of 8 bytes in big batches.
func TestWireBytesPerEntry(t *testing.T) {
	m := hotMessage()
	if per := float64(len(AppendFrame(nil, m))) / float64(entriesOf(m)); per > 8.1 {
		t.Fatalf("%.3f bytes an entry", per)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	m, got := hotMessage(), &protocol.Message{}
	m.Ack = protocol.Ack{Session: 1, Ranges: []protocol.Range{{First: 1, Last: 5}, {First: 9, Last: 9}}}
	m.Pulls = []protocol.Pull{{Stream: 1}}
	m.Binding = member.Binding{1, 2, 3}
	frame := AppendFrame(nil, m)
	head := make([]byte, 0, 1<<10)
	for name, step := range map[string]func(){
		"encode": func() { head = AppendMessage(head[:0], m) },
		"decode": func() {
			if err := DecodeMessage(frame[FrameHeaderBytes:], got); err != nil {
				t.Fatal(err)
			}
		},
		"seal": func() { Seal(&m.Batches[0]) },
		"look": func() {
			for payload := range Payloads(&m.Batches[0]).All() {
				if len(payload) != 8 {
					t.Fatal(len(payload))
				}
			}
		},
	} {
		if allocs := testing.AllocsPerRun(100, step); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

func TestBuilderDoesNotAllocate(t *testing.T) {
	builder := NewBuilder(protocol.NewPool(128<<10, 4), 16<<10)
	payload := []byte("payload")
	allocs := testing.AllocsPerRun(100, func() {
		builder.Fill(8, writeNumbers)
		filled := builder.Take()
		builder.Add(payload)
		builder.Add(payload[:3])
		added := builder.Take()
		filled.Buffer.Release()
		added.Buffer.Release()
	})
	if allocs != 0 {
		t.Fatalf("%v allocations", allocs)
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	m := hotMessage()
	head := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		head = AppendMessage(head[:0], m)
	}
}

func BenchmarkDecodeMessage(b *testing.B) {
	m, got := hotMessage(), &protocol.Message{}
	body := AppendFrame(nil, m)[FrameHeaderBytes:]
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeMessage(body, got); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdd is the way of payloads that come one by one.
func BenchmarkAdd(b *testing.B) {
	builder := NewBuilder(protocol.NewPool(256<<10, 4), 16<<10)
	payload := []byte("8 bytes.")
	b.ReportAllocs()
	for b.Loop() {
		if !builder.Add(payload) {
			batch := builder.Take()
			batch.Buffer.Release()
		}
	}
}

// BenchmarkAll is the way through a batch whose payloads differ in size.
func BenchmarkAll(b *testing.B) {
	batch := sealed(b, []byte("a"), []byte("bcd"), []byte("ef"), nil, []byte("ghijklmnopqrstuvwxyz"))
	length := 0
	for b.Loop() {
		for payload := range Payloads(&batch).All() {
			length += len(payload)
		}
	}
	if length == 0 {
		b.Fatal("no payloads")
	}
}
