package maelstrom_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/job/maelstrom"
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
	w.meet()
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
	w.meet()
	w.cut("n1")
	w.say("n1", `{"type":"broadcast","msg_id":2,"message":7}`)
	w.pass(15)
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

// TestWhoIsAloneAnswersAllTheSame after a while, and then shows what it has.
func TestWhoIsAloneAnswersAllTheSame(t *testing.T) {
	w := newWorld(t, "n1", "n2", "n3")
	w.meet()
	w.cut("n1")
	w.say("n1", `{"type":"broadcast","msg_id":2,"message":7}`)
	w.pass(21)
	w.say("n1", `{"type":"read","msg_id":3}`)
	w.expect(`{"type":"broadcast_ok","in_reply_to":2}`, `{"type":"read_ok","in_reply_to":3,"messages":[7]}`)
}

// TestNobodyHearsAfterFiveSeconds: a strict node that has not the copies tells
// by then that it does not know what will become of the value, and never answers
// again, though it spreads later on.
func TestNobodyHearsAfterFiveSeconds(t *testing.T) {
	w := newWorld(t)
	w.strict = true
	w.begin("n1", "n2", "n3")
	w.meet()
	w.cut("n1")
	w.say("n1", `{"type":"add","msg_id":2,"element":7}`)
	w.pass(45)
	w.expect(`{"type":"error","in_reply_to":2,"code":0,"text":"2 nodes do not hold it yet, perhaps they will"}`)
	w.heal()
	w.pass(40)
	w.expect()
	w.say("n3", `{"type":"read","msg_id":3}`)
	w.expect(`{"type":"read_ok","in_reply_to":3,"value":[7]}`)
}

// TestSlowRoundsAreNoReason not to answer: what is not in the log in time is on
// the shelf.
func TestSlowRoundsAreNoReason(t *testing.T) {
	w := newWorld(t)
	w.tick = 5 * time.Second
	w.begin("n1", "n2", "n3")
	w.meet()
	w.pass(5000)
	w.answers()
	w.say("n1", `{"type":"add","msg_id":2,"element":7}`)
	w.pass(41)
	w.expect(`{"type":"add_ok","in_reply_to":2}`)
	w.pass(1000)
	w.say("n3", `{"type":"read","msg_id":3}`)
	w.expect(`{"type":"read_ok","in_reply_to":3,"value":[7]}`)
}

// TestWhoSleptAnswersNobodyWhoIsGone: what comes right after a pause of the
// process may have waited all along, and its clients may have given up.
func TestWhoSleptAnswersNobodyWhoIsGone(t *testing.T) {
	w := newWorld(t, "n1", "n2", "n3")
	w.meet()
	w.say("n1", `{"type":"broadcast","msg_id":2,"message":7}`)
	w.now += 6 * time.Second
	w.say("n1", `{"type":"broadcast","msg_id":3,"message":8}`)
	w.say("n1", `{"type":"read","msg_id":4}`)
	w.pass(30)
	w.expect()
	w.say("n1", `{"type":"read","msg_id":5}`)
	w.expect(`{"type":"read_ok","in_reply_to":5,"messages":[7,8]}`)
}

// TestNothingIsSaidBeforeSomebodySpeaks: other nodes may not be there yet, and
// identifiers need no others at all.
func TestNothingIsSaidBeforeSomebodySpeaks(t *testing.T) {
	said := 0
	w := newWorld(t, "n1", "n2", "n3")
	w.lose = func(string) bool { said++; return false }
	for _, name := range w.names {
		w.say(name, `{"type":"generate","msg_id":2}`)
		w.say(name, `{"type":"echo","msg_id":3,"echo":1}`)
	}
	w.pass(50)
	if w.answers(); said > 0 {
		t.Errorf("%d lines before anybody spoke", said)
	}
	w.say("n1", `{"type":"add","msg_id":4,"element":7}`) // the others hear of it from n1
	w.pass(30)
	w.expect(`{"type":"add_ok","in_reply_to":4}`)
	for _, name := range w.names {
		w.say(name, `{"type":"read","msg_id":5}`)
		w.expect(`{"type":"read_ok","in_reply_to":5,"value":[7]}`)
	}
}

// TestAllAreServedBeforeAllHaveMet: by whoever is there, and who comes later has
// it all.
func TestAllAreServedBeforeAllHaveMet(t *testing.T) {
	w := newWorld(t, "n1", "n2", "n3")
	w.nodes["n3"] = nil
	w.say("n1", `{"type":"read","msg_id":2}`)
	w.pass(20)
	w.expect(`{"type":"read_ok","in_reply_to":2,"value":[]}`)
	w.say("n1", `{"type":"add","msg_id":3,"element":7}`)
	w.say("n2", `{"type":"add","msg_id":4,"element":8}`)
	w.pass(10)
	w.expect(`{"type":"add_ok","in_reply_to":3}`, `{"type":"add_ok","in_reply_to":4}`)
	w.start("n3")
	w.pass(60)
	for _, name := range w.names {
		w.say(name, `{"type":"read","msg_id":5}`)
		w.expect(`{"type":"read_ok","in_reply_to":5,"value":[7,8]}`)
	}
}

// TestWhoCameBackIsServed: it may not write the log itself, and others hold what
// it takes and put it there.
func TestWhoCameBackIsServed(t *testing.T) {
	w := newWorld(t, "n1", "n2", "n3")
	w.say("n2", `{"type":"topology","msg_id":1,"topology":{}}`)
	w.meet()
	w.say("n1", `{"type":"broadcast","msg_id":2,"message":7}`)
	w.pass(10)
	w.expect(`{"type":"broadcast_ok","in_reply_to":2}`)
	w.start("n1")
	w.say("n1", `{"type":"read","msg_id":2}`)
	w.expect() // it cannot know yet how a read is answered
	w.say("n1", `{"type":"broadcast","msg_id":3,"message":8}`)
	w.pass(20)
	w.expect(`{"type":"read_ok","in_reply_to":2,"messages":[]}`, `{"type":"broadcast_ok","in_reply_to":3}`)
	w.pass(40)
	w.cut("n1")
	w.pass(100)
	for _, name := range w.names {
		w.say(name, `{"type":"read","msg_id":4}`)
		w.expect(`{"type":"read_ok","in_reply_to":4,"messages":[7,8]}`)
	}
}

// TestTheDeadHoldNothing: what a life said that is gone comes late, and the one
// in its place does not hold what it held.
func TestTheDeadHoldNothing(t *testing.T) {
	w := newWorld(t)
	w.strict = true
	w.begin("n1", "n2")
	w.meet()
	var late []byte
	w.lose = func(line string) bool {
		if strings.Contains(line, `"chatterbox_held"`) {
			late = []byte(line)
		}
		return strings.HasPrefix(line, `{"src":"n2"`)
	}
	w.say("n1", `{"type":"add","msg_id":2,"element":7}`)
	w.pass(3)
	if late == nil {
		t.Fatal("the witness said nothing")
	}
	w.start("n2")
	w.lose = func(line string) bool { return strings.HasPrefix(line, `{"src":"n1"`) }
	w.say("n2", `{"type":"read","msg_id":3}`)
	w.pass(10)
	w.answers()
	w.nodes["n1"].Receive(w.now, late)
	w.pass(3)
	w.expect()
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
		`{"type":"chatterbox_bag","msg_id":2,"letters":[]}`:                "10",
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
		`{"type":5,"msg_id":2}`:                                            "12",
		`{"type":null,"msg_id":2}`:                                         "12",
		`{"type":["read"],"msg_id":2}`:                                     "12",
		`{"type":5}`:                                                       "",
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
