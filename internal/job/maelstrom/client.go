package maelstrom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// kind says under which name a read answers: the workloads broadcast and g-set
// ask the same question and check that the answer is the one that they know.
type kind string

const (
	kindMessages kind = "messages" // broadcast
	kindValue    kind = "value"    // g-set
)

// dispatch looks at the type of a message. Answers and errors are not for this
// node, which never asks: to answer them could go on for ever.
func (n *Node) dispatch(m *message) {
	name := m.Type.name
	if m.InReplyTo != nil || name == "error" {
		return
	}
	switch name {
	case "init":
		n.onInit(m)
	case "echo":
		n.onEcho(m)
	case "generate", "topology", "broadcast", "add", "read", typeBag, typeHeld:
		if n.cluster == nil {
			n.refuse(m, codeUnavailable, "%s: init comes first", name)
			return
		}
		n.dispatchMember(m)
	default:
		if m.Type.wrong {
			n.refuse(m, codeMalformed, "the type of a message must be a string")
			return
		}
		n.refuse(m, codeNotSupported, "%q is not supported: use init, topology, echo, generate, broadcast, add or read", name)
	}
}

// dispatchMember goes on with what only a member of a cluster understands. All
// but identifiers concerns the others; that somebody asks for it says that they
// are there to be spoken to.
func (n *Node) dispatchMember(m *message) {
	if m.Type.name == "generate" {
		n.issued++
		n.reply(m, reply{Type: "generate_ok", ID: fmt.Sprintf("%s-%s-%d", n.cluster.name(), n.cluster.identity, n.issued)})
		return
	}
	n.greet()
	switch m.Type.name {
	case "topology":
		n.onTopology(m)
	case "broadcast":
		n.onBroadcast(m)
	case "add":
		n.onAdd(m)
	case "read":
		n.onRead(m)
	default:
		n.onPeer(m)
	}
}

func (n *Node) onInit(m *message) {
	type initBody struct {
		NodeID  string   `json:"node_id"`
		NodeIDs []string `json:"node_ids"`
	}
	body, err := fields[initBody](m)
	if err == nil {
		err = checkNames(body.NodeID, body.NodeIDs)
	}
	switch {
	case err != nil:
		n.refuse(m, codeMalformed, "%v", err)
	case n.cluster == nil:
		n.join(body.NodeID, body.NodeIDs)
		n.reply(m, reply{Type: "init_ok"})
	case n.cluster.name() == body.NodeID && slices.Equal(n.cluster.names, body.NodeIDs):
		n.reply(m, reply{Type: "init_ok"})
	default:
		n.refuse(m, codeMalformed, "init: this node is %s of %v already", n.cluster.name(), n.cluster.names)
	}
}

// checkNames returns what is wrong with the names of an init message.
func checkNames(self string, names []string) error {
	switch sorted := slices.Sorted(slices.Values(names)); {
	case self == "" || !slices.Contains(names, self):
		return fmt.Errorf("init: node_id %q must be one of node_ids %q", self, names)
	case len(slices.Compact(sorted)) < len(names):
		return fmt.Errorf("init: the same name twice in node_ids %q", names)
	case len(names) > NodesMax:
		return fmt.Errorf("init: %d nodes, at most %d are possible", len(names), NodesMax)
	}
	return nil
}

func (n *Node) onEcho(m *message) {
	type echoBody struct {
		Echo json.RawMessage `json:"echo"`
	}
	body, err := fields[echoBody](m)
	if err != nil || body.Echo == nil {
		n.refuse(m, codeMalformed, "echo: the field echo is missing")
		return
	}
	n.reply(m, reply{Type: "echo_ok", Echo: body.Echo})
}

// onTopology takes note of nothing but the workload: everybody may send to
// everybody, and the fewer hops, the fewer messages.
func (n *Node) onTopology(m *message) {
	type topologyBody struct {
		Topology map[string][]string `json:"topology"`
	}
	if body, err := fields[topologyBody](m); err != nil || body.Topology == nil {
		n.refuse(m, codeMalformed, "topology: the field topology must be an object of names with their neighbours")
		return
	}
	n.kind = kindMessages
	n.reply(m, reply{Type: "topology_ok"})
}

func (n *Node) onBroadcast(m *message) {
	type broadcastBody struct {
		Message json.RawMessage `json:"message"`
	}
	body, err := fields[broadcastBody](m)
	if err != nil || body.Message == nil {
		n.refuse(m, codeMalformed, "broadcast: the field message is missing")
		return
	}
	n.kind = kindMessages
	n.accept(m, body.Message, "broadcast_ok")
}

func (n *Node) onAdd(m *message) {
	type addBody struct {
		Element json.RawMessage `json:"element"`
	}
	body, err := fields[addBody](m)
	if err != nil || body.Element == nil {
		n.refuse(m, codeMalformed, "add: the field element is missing; counters are not supported")
		return
	}
	n.kind = kindValue
	n.accept(m, body.Element, "add_ok")
}

// accept takes what a client wants to have in the log.
func (n *Node) accept(m *message, value json.RawMessage, ok string) {
	c := n.cluster
	var compact bytes.Buffer
	if err := json.Compact(&compact, value); err != nil {
		n.refuse(m, codeMalformed, "%s: %v", m.Type.name, err)
		return
	}
	switch {
	case compact.Len() > ValueBytesMax:
		n.refuse(m, codeMalformed, "%s: a value has at most %d bytes, this one has %d", m.Type.name, ValueBytesMax, compact.Len())
	case len(c.waiting) >= wishesMax || len(c.wishes) >= wishesMax:
		n.refuse(m, codeUnavailable, "%s: %d values wait for others to hold them", m.Type.name, wishesMax)
	default:
		n.take(compact.String(), m.asked)
		c.waiting = append(c.waiting, waiting{message: m, ok: ok, key: compact.String()})
	}
}

// onRead notes the request: it is answered as soon as it is known how.
func (n *Node) onRead(m *message) { n.cluster.readers = append(n.cluster.readers, m) }

// answerReaders shows them all that is held here and by enough others. Who
// restarted does not know which workload asks, until somebody who does is
// heard; when nobody does, it is the one that has no topology.
func (n *Node) answerReaders() {
	c := n.cluster
	c.readers = slices.DeleteFunc(c.readers, func(m *message) bool {
		if n.kind == "" && n.now < m.asked+n.kindWait() {
			return false
		}
		values := c.entries.list()
		if n.kind == kindMessages {
			n.reply(m, reply{Type: "read_ok", Messages: &values})
		} else {
			n.reply(m, reply{Type: "read_ok", Value: &values})
		}
		return true
	})
}

// kindWait returns how long a reader waits until it is known how to answer: not
// long, if those who are heard do not know either.
func (n *Node) kindWait() time.Duration {
	c := n.cluster
	if len(c.names) == 1 {
		return 0
	}
	for i := range c.peers {
		if c.peers[i].identity != 0 {
			return min(n.cfg.ticks(kindTicks), answerMax)
		}
	}
	return answerMax
}
