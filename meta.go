package chatterbox

import (
	"fmt"
	"sync"

	"chatterbox/internal/core/member"
)

// meta is what members tell of themselves.
type meta struct {
	mu    sync.Mutex // guards all below
	own   string
	heard []string // of each member
}

// SetMeta publishes up to MaxMeta bytes about this member to all members, such
// as the address of another service; it copies them. Only the last ones count;
// they have no place in the order and are not stored. Other members read them
// in MemberStatus.Meta. More bytes than that are an error, and change nothing.
func (n *Node) SetMeta(meta []byte) error {
	if len(meta) > MaxMeta {
		return fmt.Errorf("chatterbox: meta of %d bytes, allowed are %d", len(meta), MaxMeta)
	}
	n.meta.mu.Lock()
	defer n.meta.mu.Unlock()
	n.meta.own = string(meta)
	n.meta.heard[n.self] = n.meta.own
	return nil
}

// grow makes room for so many members.
func (m *meta) grow(members int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.heard) < members {
		m.heard = append(m.heard, "")
	}
}

func (m *meta) tell() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.own
}

func (m *meta) hear(from member.ID, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard[from] = text
}

// of returns what a member told last.
func (m *meta) of(id member.ID) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return []byte(m.heard[id])
}
