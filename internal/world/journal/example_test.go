package journal

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// exampleSegment is the segment that docs/journal.md shows byte by byte.
func exampleSegment(t *testing.T) []byte {
	t.Helper()
	var disk Memory
	cfg := Config{Cluster: "demo", Self: 1, Members: 2, List: 0x1122334455667788, Identity: 0xabcdef}
	j, _ := open(t, &disk, cfg)
	builder := wire.NewBuilder(protocol.NewPool(4096, 1), 1024)
	if !builder.Add([]byte("hi")) {
		t.Fatal("no room")
	}
	b := builder.Take()
	b.Origin, b.Identity, b.Seq, b.Time = 1, 0xabcdef, 1, 5
	wire.Seal(&b)
	j.Keep(protocol.Effects{Binding: member.Binding{0x123456, 0xabcdef}, Bound: 1000, Append: []protocol.Batch{b}})
	synced(t, j)
	return disk.Change(segmentName(1))
}

func TestDocumentShowsWhatIsWritten(t *testing.T) {
	page, err := os.ReadFile("../../../docs/journal.md")
	if err != nil {
		t.Fatal(err)
	}
	segment := exampleSegment(t)
	var shown []byte
	for line := range strings.SplitSeq(string(page), "\n") {
		place, text, ok := strings.Cut(line, "  ")
		if _, err := hex.DecodeString(place); !ok || err != nil || len(place) != 4 {
			continue
		}
		text, _, _ = strings.Cut(text, " | ")
		part, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		shown = append(shown, part...)
	}
	if got := hex.EncodeToString(shown); got != hex.EncodeToString(segment) {
		t.Errorf("docs/journal.md shows\n%s\nwritten is\n%s", got, hex.Dump(segment))
	}
}
