package wire

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// worked reads the examples of docs/wire.md: blocks that begin with "hex" and
// a name, each line the bytes and, behind a #, what they mean.
func worked(t *testing.T) map[string][]byte {
	t.Helper()
	page, err := os.ReadFile("../../../docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, name := map[string][]byte{}, ""
	for line := range strings.Lines(string(page)) {
		if fence, ok := strings.CutPrefix(strings.TrimSpace(line), "```"); ok {
			name, _ = strings.CutPrefix(fence, "hex ")
			continue
		}
		if name == "" {
			continue
		}
		digits, _, _ := strings.Cut(line, "#")
		part, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatalf("%s: %v in %q", name, err, line)
		}
		examples[name] = append(examples[name], part...)
	}
	return examples
}

// exampleBatch has the place that all batches of the page have.
func exampleBatch(payloads ...string) protocol.Batch {
	builder := newTestBuilder()
	for _, payload := range payloads {
		builder.Add([]byte(payload))
	}
	b := builder.Take()
	b.Origin, b.Identity, b.Seq, b.Time, b.Buffer = 1, 0x1122334455667788, 5, 20, nil
	Seal(&b)
	return b
}

// exampleMessage is the message of the page.
func exampleMessage() *protocol.Message {
	row := protocol.Row{Member: 1, Identity: 0x1122334455667788, Version: 7, Hears: member.Set{0b101}}
	for stream, mark := range []clock.Mark{{Have: 4, Promise: 19}, {Have: 6, Promise: 20}, {Have: 9, Promise: clock.Infinity}} {
		row.Marks = append(row.Marks, protocol.StreamMark{Stream: member.ID(stream), Mark: mark})
	}
	return &protocol.Message{
		From: 1, Identity: 0x1122334455667788, Session: 1<<32 | 2, Stable: 17,
		Ack:     protocol.Ack{Session: 3, Ranges: []protocol.Range{{First: 1, Last: 5}, {First: 7, Last: 7}}},
		Rows:    []protocol.Row{row},
		Batches: []protocol.Batch{exampleBatch("hi", "yo")},
	}
}

func TestWorkedExamplesAreWhatIsWritten(t *testing.T) {
	examples := worked(t)
	for name, want := range map[string][]byte{
		"fixed batch":   exampleBatch("hi", "yo").Bytes,
		"mixed batch":   exampleBatch("a", "bc", "").Bytes,
		"message frame": AppendFrame(nil, exampleMessage()),
		"beat frame":    AppendBeat(nil, &Beat{Meta: "idle"}),
		"hello frame": AppendHello(nil, &Hello{
			Cluster: "demo", Members: 0xabcd, From: 1, To: 2, Identity: 0x1122334455667788,
			Session: 1<<32 | 2, Meta: "idle",
			Count: 3, Process: 0x77, Protocol: "delta", Tick: 10 * time.Millisecond,
		}),
		"welcome frame": AppendWelcome(nil, &Welcome{From: 2, Identity: 0x99, Process: 0x78, Tick: 10 * time.Millisecond, Meta: "idle"}),
	} {
		if !bytes.Equal(examples[name], want) {
			t.Errorf("%s: docs/wire.md has\n%s, but this is written:\n%s", name, hex.Dump(examples[name]), hex.Dump(want))
		}
		delete(examples, name)
	}
	for name := range examples {
		t.Errorf("docs/wire.md has an example %q that nothing checks", name)
	}
}

func TestWorkedMessageIsWhatIsRead(t *testing.T) {
	got := &protocol.Message{}
	if err := DecodeMessage(bodyOf(t, worked(t)["message frame"]), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exampleMessage(), got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
}
