package maelstrom_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"chatterbox/internal/job/maelstrom"
)

// FuzzReceive gives a member of a cluster any line, and any frame from another
// node: it may refuse or ignore it, but goes on, and what it says is JSON.
func FuzzReceive(f *testing.F) {
	w := newWorld(&testing.T{}, "n1", "n2", "n3")
	w.lose = func(line string) bool {
		f.Add([]byte(line))
		var l struct {
			Body struct{ Letters []struct{ Frame []byte } }
		}
		if json.Unmarshal([]byte(line), &l) == nil {
			for _, letter := range l.Body.Letters {
				f.Add(letter.Frame)
			}
		}
		return false
	}
	w.say("n1", `{"type":"add","msg_id":1,"element":"shelved"}`)
	w.meet()
	w.say("n1", `{"type":"broadcast","msg_id":2,"message":[7]}`)
	w.pass(10)
	w.start("n2")
	w.say("n2", `{"type":"add","msg_id":3,"element":"x"}`)
	w.pass(40)
	f.Add([]byte(`{"src":"n2","dest":"n1","body":{"type":"chatterbox_bag","turn":9,"letters":[{"from":"n3","to":"n1","shelf":{"life":"0000000000000003",` +
		`"have":{"0000000000000003":2},"ask":true,"adds":[{"life":"0000000000000003","after":0,"values":[1,"x"]}]}},{"from":"n3","to":"n2"}]}}`))
	f.Add([]byte(`{"src":"n2","dest":"n1","body":{"type":"chatterbox_bag","turn":18446744073709551615,"letters":[{"from":"n2","to":"n3"}]}}`))
	f.Add([]byte(`{"src":"n2","dest":"n1","body":{"type":"chatterbox_held","life":"0000000000000001","have":18446744073709551615,"shelved":1}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		w := newWorld(t, "n1", "n2", "n3")
		w.meet()
		w.nodes["n1"].Receive(w.now, line)
		w.nodes["n1"].Receive(w.now, fmt.Appendf(nil, `{"src":"n2","dest":"n1","body":{"type":"chatterbox_bag","letters":[{"from":"n2","to":"n1","witness":true,"frame":%q}]}}`,
			base64.StdEncoding.EncodeToString(line)))
		w.pass(20)
		w.heard = w.heard[:0]
		w.say("n1", `{"type":"echo","msg_id":9,"echo":1}`)
		w.expect(`{"type":"echo_ok","in_reply_to":9,"echo":1}`)
	})
}

// TestLinesBetweenNodesStayShort: values as large as they may be, together more
// than a line has room for, go in several.
func TestLinesBetweenNodesStayShort(t *testing.T) {
	longest, values := 0, 12
	w := newWorld(t, "n1", "n2", "n3")
	w.meet()
	w.start("n3")
	w.pass(20)
	w.lose = func(line string) bool {
		longest = max(longest, len(line))
		return false
	}
	for i := range values {
		value := fmt.Sprintf(`"%02d%s"`, i, strings.Repeat("x", maelstrom.ValueBytesMax-4))
		w.say([]string{"n1", "n3"}[i%2], fmt.Sprintf(`{"type":"add","msg_id":%d,"element":%s}`, i+2, value))
	}
	w.pass(60)
	if got := len(w.answers()); got != values {
		t.Errorf("%d of %d answers", got, values)
	}
	if longest > maelstrom.LineBytesMax || longest < maelstrom.ValueBytesMax {
		t.Errorf("the longest line has %d bytes", longest)
	}
}
