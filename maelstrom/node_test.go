package maelstrom_test

import (
	"fmt"
	"strings"
	"testing"

	"chatterbox/maelstrom"
)

// TestAloneEverythingIsAnsweredAtOnce is the conversation of the first
// challenges: echo, unique identifiers, broadcast on one node.
func TestAloneEverythingIsAnsweredAtOnce(t *testing.T) {
	w := newWorld(t, "n1")
	w.say("n1", `{"type":"echo","msg_id":2,"echo":{"b":"<é&>","a":[1,2.50,null]}}`)
	w.say("n1", `{"type":"topology","msg_id":3,"topology":{"n1":[]}}`)
	w.say("n1", `{"type":"read","msg_id":4}`)
	w.say("n1", `{"type":"broadcast","msg_id":5,"message":7}`)
	w.say("n1", `{"type":"read","msg_id":6}`)
	w.say("n1", `{"type":"generate","msg_id":7}`)
	w.say("n1", `{"type":"generate","msg_id":8}`)
	w.expect(
		`{"type":"echo_ok","in_reply_to":2,"echo":{"b":"<é&>","a":[1,2.50,null]}}`,
		`{"type":"topology_ok","in_reply_to":3}`,
		`{"type":"read_ok","in_reply_to":4,"messages":[]}`,
		`{"type":"broadcast_ok","in_reply_to":5}`,
		`{"type":"read_ok","in_reply_to":6,"messages":[7]}`,
		`{"type":"generate_ok","in_reply_to":7,"id":"n1-0000000000000001-1"}`,
		`{"type":"generate_ok","in_reply_to":8,"id":"n1-0000000000000001-2"}`)
}

// TestReadsAnswerAsTheWorkloadAsks: g-set has no topology, and another name
// for what is read.
func TestReadsAnswerAsTheWorkloadAsks(t *testing.T) {
	w := newWorld(t, "n1")
	w.say("n1", `{"type":"read","msg_id":2}`)
	w.say("n1", `{"type":"add","msg_id":3,"element":"x"}`)
	w.say("n1", `{"type":"add","msg_id":4,"element": "x" }`)
	w.say("n1", `{"type":"read","msg_id":5}`)
	w.expect(
		`{"type":"read_ok","in_reply_to":2,"value":[]}`,
		`{"type":"add_ok","in_reply_to":3}`,
		`{"type":"add_ok","in_reply_to":4}`,
		`{"type":"read_ok","in_reply_to":5,"value":["x"]}`)
}

// TestValuesOfAnyKindComeBackAsTheyCame: numbers beyond 64 bits too.
func TestValuesOfAnyKindComeBackAsTheyCame(t *testing.T) {
	values := []string{`-9223372036854775809`, `123456789012345678901234567890`, `1e400`, `"<a & b> é \" \n"`, `null`, `true`, `[1,[2,{}]]`, `{"a":{"b":0.10}}`}
	w := newWorld(t, "n1", "n2")
	w.pass(5)
	for i, value := range values {
		w.say("n1", fmt.Sprintf(`{"type":"broadcast","msg_id":%d,"message":%s}`, i+2, value))
	}
	w.pass(2)
	w.answers()
	for _, name := range w.names {
		w.say(name, `{"type":"read","msg_id":99}`)
		w.expect(`{"type":"read_ok","in_reply_to":99,"messages":[` + strings.Join(values, ",") + `]}`)
	}
}

// TestAnAnswerWaitsForAnotherNode: as long as only one node has a value, it
// neither answers nor shows it, for both could be lost with it.
func TestAnAnswerWaitsForAnotherNode(t *testing.T) {
	w := newWorld(t, "n1", "n2", "n3")
	w.pass(5)
	w.cut("n1")
	w.say("n1", `{"type":"broadcast","msg_id":2,"message":7}`)
	w.pass(20)
	w.say("n1", `{"type":"read","msg_id":3}`)
	w.expect(`{"type":"read_ok","in_reply_to":3,"messages":[]}`)
	w.heal()
	w.pass(30)
	w.say("n1", `{"type":"read","msg_id":4}`)
	w.say("n3", `{"type":"read","msg_id":5}`)
	w.expect(
		`{"type":"broadcast_ok","in_reply_to":2}`,
		`{"type":"read_ok","in_reply_to":4,"messages":[7]}`,
		`{"type":"read_ok","in_reply_to":5,"messages":[7]}`)
}

// TestNobodyWritesBeforeAllHaveMet: what cannot be done is refused, so that the
// client knows that it did not happen, and never happens later.
func TestNobodyWritesBeforeAllHaveMet(t *testing.T) {
	w := newWorld(t, "n1", "n2", "n3")
	w.nodes["n3"] = nil
	w.pass(5)
	w.say("n1", `{"type":"broadcast","msg_id":2,"message":7}`)
	w.pass(40)
	if got := w.answers(); len(got) != 1 || !strings.Contains(got[0], `"code":11`) {
		t.Errorf("heard %s", got)
	}
	w.start("n3")
	w.pass(30)
	w.say("n1", `{"type":"read","msg_id":3}`)
	w.expect(`{"type":"read_ok","in_reply_to":3,"messages":[]}`)
}

// TestWhoCameBackHasItsWishesCarried: it may not write itself, and answers when
// it sees that the others have the value.
func TestWhoCameBackHasItsWishesCarried(t *testing.T) {
	w := newWorld(t, "n1", "n2", "n3")
	w.pass(5)
	w.say("n1", `{"type":"broadcast","msg_id":2,"message":7}`)
	w.pass(10)
	w.expect(`{"type":"broadcast_ok","in_reply_to":2}`)
	w.start("n1")
	w.say("n1", `{"type":"read","msg_id":2}`)
	w.say("n1", `{"type":"broadcast","msg_id":3,"message":8}`)
	if got := w.answers(); len(got) != 1 || !strings.Contains(got[0], `"code":11`) {
		t.Errorf("it cannot know yet how a read is answered, but said %s", got)
	}
	w.pass(60)
	w.expect(`{"type":"broadcast_ok","in_reply_to":3}`)
	for _, name := range w.names {
		w.say(name, `{"type":"read","msg_id":4}`)
		if got := w.answers(); len(got) != 1 || !strings.Contains(got[0], "7") || !strings.Contains(got[0], "8") {
			t.Errorf("%s shows %s", name, got)
		}
	}
}

// TestACarrierThatDiesIsReplaced: who carried a wish may be gone with it.
func TestACarrierThatDiesIsReplaced(t *testing.T) {
	w := newWorld(t, "n1", "n2", "n3", "n4")
	w.pass(5)
	w.start("n1")
	w.pass(20)
	carried := 0
	w.lose = func(line string) bool {
		if strings.Contains(line, `"chatterbox_carry"`) {
			carried++
			return carried == 1
		}
		return false
	}
	w.say("n1", `{"type":"add","msg_id":2,"element":8}`)
	w.pass(60)
	w.expect(`{"type":"add_ok","in_reply_to":2}`)
	if carried < 2 {
		t.Errorf("carried %d times", carried)
	}
}

// TestIdentifiersDifferBetweenLives: a node that came back does not begin anew.
func TestIdentifiersDifferBetweenLives(t *testing.T) {
	seen := make(map[string]bool)
	w := newWorld(t, "n1", "n2")
	for range 3 {
		w.start("n1")
		for range 2 {
			w.say("n1", `{"type":"generate","msg_id":2}`)
			w.say("n2", `{"type":"generate","msg_id":2}`)
		}
	}
	for _, id := range w.answers() {
		if seen[id] {
			t.Errorf("twice: %s", id)
		}
		seen[id] = true
	}
	if len(seen) != 12 {
		t.Errorf("%d identifiers", len(seen))
	}
}

// TestMistakesAreTold with Maelstrom's codes; what cannot be answered is not.
func TestMistakesAreTold(t *testing.T) {
	long := `"` + strings.Repeat("x", maelstrom.ValueBytesMax) + `"`
	for body, want := range map[string]string{
		`{"type":"lin_kv_read","msg_id":2}`:                                "10",
		`{"msg_id":2}`:                                                     "10",
		`{"type":"chatterbox_frame","msg_id":2,"frame":""}`:                "10",
		`{"type":"echo","msg_id":2}`:                                       "12",
		`{"type":"topology","msg_id":2}`:                                   "12",
		`{"type":"topology","msg_id":2,"topology":[]}`:                     "12",
		`{"type":"broadcast","msg_id":2}`:                                  "12",
		`{"type":"broadcast","msg_id":2,"message":` + long + `}`:           "12",
		`{"type":"add","msg_id":2,"delta":1}`:                              "12",
		`{"type":"init","msg_id":2,"node_id":"n1"}`:                        "12",
		`{"type":"init","msg_id":2,"node_id":"n1","node_ids":"n1"}`:        "12",
		`{"type":"init","msg_id":2,"node_id":"n2","node_ids":["n1","n2"]}`: "12",
		`{"type":"init","msg_id":2,"node_id":"n1","node_ids":["n1","n1"]}`: "12",
		`{"type":"error","msg_id":2,"code":10}`:                            "",
		`{"type":"read_ok","msg_id":2,"in_reply_to":1}`:                    "",
		`{"type":"lin_kv_read"}`:                                           "",
		`{"type":"echo","msg_id":"two","echo":1}`:                          "",
		`{"type":5,"msg_id":2}`:                                            "",
		`"type"`:                                                           "",
	} {
		w := newWorld(t, "n1")
		w.say("n1", body)
		got := w.answers()
		switch {
		case want == "" && len(got) > 0:
			t.Errorf("%.80s: answered %s", body, got)
		case want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], `{"type":"error","in_reply_to":2,"code":`+want+`,"text":"`)):
			t.Errorf("%.80s: answered %s, want code %s", body, got, want)
		}
	}
}

// TestBeforeInitOnlyAnEchoIsPossible: who was not told who it is says so.
func TestBeforeInitOnlyAnEchoIsPossible(t *testing.T) {
	var said []string
	node := maelstrom.New(maelstrom.Config{
		Random: func() uint64 { return 1 }, Send: func(line []byte) { said = append(said, string(line)) },
	})
	for _, body := range []string{`{"type":"echo","msg_id":1,"echo":1}`, `{"type":"read","msg_id":2}`, `{"type":"add","msg_id":3,"element":1}`} {
		node.Receive(0, fmt.Appendf(nil, `{"src":"c1","dest":"n1","body":%s}`, body))
	}
	if _, due := node.Due(); due || len(said) != 3 || !strings.Contains(said[1], `"code":11`) || !strings.Contains(said[2], `"code":11`) {
		t.Errorf("said %q", said)
	}
}
