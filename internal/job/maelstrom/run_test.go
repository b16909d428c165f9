package maelstrom_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"chatterbox/internal/job/maelstrom"
)

const initLine = `{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}` + "\n"

func config() maelstrom.Config {
	return maelstrom.Config{Random: func() uint64 { return 1 }}
}

// TestTheEndOfStdinIsTheEnd: all that was said before is answered, a last line
// without its newline too, and that is no error.
func TestTheEndOfStdinIsTheEnd(t *testing.T) {
	defer goleak.VerifyNone(t)
	in := initLine + "\n" + "garbage\n" +
		`{"src":"c1","dest":"n1","body":{"type":"broadcast","msg_id":1,"message":5}}` + "\n" +
		`{"src":"c1","dest":"n1","body":{"type":"read","msg_id":2}}`
	var out bytes.Buffer
	if err := maelstrom.Run(t.Context(), config(), strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	want := `{"src":"n1","dest":"c0","body":{"type":"init_ok","in_reply_to":1}}
{"src":"n1","dest":"c1","body":{"type":"broadcast_ok","in_reply_to":1}}
{"src":"n1","dest":"c1","body":{"type":"read_ok","in_reply_to":2,"messages":[5]}}
`
	if out.String() != want {
		t.Errorf("wrote\n%s", out.String())
	}
}

// TestLinesMayHaveAnyLength: far more than any buffer.
func TestLinesMayHaveAnyLength(t *testing.T) {
	defer goleak.VerifyNone(t)
	long := strings.Repeat("x", 8<<20)
	in := strings.NewReader(initLine + fmt.Sprintf(`{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":2,"echo":%q}}`, long) + "\n")
	var out bytes.Buffer
	if err := maelstrom.Run(t.Context(), config(), iotest.HalfReader(in), &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), long) {
		t.Errorf("wrote %d bytes", out.Len())
	}
}

// TestAnswersComeWhileStdinIsOpen: nothing waits in a buffer.
func TestAnswersComeWhileStdinIsOpen(t *testing.T) {
	defer goleak.VerifyNone(t)
	in, say := io.Pipe()
	hear, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- maelstrom.Run(t.Context(), config(), in, out) }()
	lines := bufio.NewReader(hear)
	for range 3 {
		if _, err := io.WriteString(say, initLine); err != nil {
			t.Fatal(err)
		}
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "init_ok") {
			t.Fatal(line, err)
		}
	}
	if err := say.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestRunSaysWhyItEnds: a broken stdin or stdout, or a context.
func TestRunSaysWhyItEnds(t *testing.T) {
	broken := errors.New("broken")
	if err := maelstrom.Run(t.Context(), config(), iotest.ErrReader(broken), io.Discard); !errors.Is(err, broken) {
		t.Errorf("stdin: %v", err)
	}
	hear, out := io.Pipe()
	_ = hear.CloseWithError(broken)
	if err := maelstrom.Run(t.Context(), config(), strings.NewReader(initLine), out); !errors.Is(err, broken) {
		t.Errorf("stdout: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	in, say := io.Pipe()
	defer say.Close() //nolint:errcheck // never fails
	if err := maelstrom.Run(ctx, config(), in, io.Discard); !errors.Is(err, broken) {
		t.Errorf("context: %v", err)
	}
}

// TestWrongConfigurationsAreTold before anything is begun.
func TestWrongConfigurationsAreTold(t *testing.T) {
	right := maelstrom.Config{Send: func([]byte) {}, Random: func() uint64 { return 1 }}
	if err := right.Check(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*maelstrom.Config){
		func(c *maelstrom.Config) { c.Send = nil },
		func(c *maelstrom.Config) { c.Random = nil },
		func(c *maelstrom.Config) { c.Tick = 1 },
		func(c *maelstrom.Config) { c.Copies = -1 },
		func(c *maelstrom.Config) { c.Copies = maelstrom.NodesMax + 1 },
	} {
		wrong := right
		change(&wrong)
		if wrong.Check() == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
}
