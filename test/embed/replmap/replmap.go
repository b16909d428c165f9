// Package replmap is a map that all members of a cluster share: writes go
// through the log, reads are local, and whoever wrote sees what he wrote.
package replmap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"

	"chatterbox"
)

// Map is one member's copy. Run keeps it up to date.
type Map struct {
	node          *chatterbox.Node
	snapshotEvery chatterbox.Position

	mu      sync.Mutex // guards all below
	values  map[string]string
	applied chatterbox.Position
	moved   chan struct{} // closed when applied rises
}

// New returns the copy of a node's member. It writes a snapshot and forgets what
// is before it after so many entries.
func New(node *chatterbox.Node, snapshotEvery int) *Map {
	return &Map{
		node: node, snapshotEvery: chatterbox.Position(snapshotEvery),
		values: map[string]string{}, moved: make(chan struct{}),
	}
}

type change struct{ Key, Value string }

// Put sets a key, and returns once Get shows it here.
func (m *Map) Put(ctx context.Context, key, value string) error {
	payload, err := json.Marshal(change{key, value})
	if err != nil {
		return err
	}
	id, err := m.node.Broadcast(ctx, payload)
	if err != nil {
		return err
	}
	position, err := m.node.Position(ctx, id)
	if err != nil {
		return err
	}
	for {
		m.mu.Lock()
		applied, moved := m.applied, m.moved
		m.mu.Unlock()
		if applied >= position {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Get returns the value of a key here.
func (m *Map) Get(key string) (value string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok = m.values[key]
	return value, ok
}

// All returns a copy of the map.
func (m *Map) All() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.values)
}

// Run applies the log until ctx ends or the node is closed. It begins with the
// newest snapshot, and goes back to one when it has fallen too far behind.
func (m *Map) Run(ctx context.Context) error {
	err := m.node.Restore(ctx, m.load)
	if errors.Is(err, chatterbox.ErrNoSnapshot) {
		err = nil // from the beginning, then
	}
	for err == nil {
		err = m.follow(ctx)
		if errors.Is(err, chatterbox.ErrCompacted) {
			err = m.node.Restore(ctx, m.load)
		}
	}
	return err
}

// follow applies entries until there is an error.
func (m *Map) follow(ctx context.Context) error {
	for entry, err := range m.node.Entries(ctx, m.applied) { // only Run changes applied
		if err != nil {
			return err
		}
		if err := m.apply(entry); err != nil {
			return err
		}
		if entry.Position%m.snapshotEvery == 0 {
			if err := m.node.Snapshot(ctx, entry.Position, m.store); err != nil {
				return err
			}
			m.node.Compact(entry.Position)
		}
	}
	return nil
}

func (m *Map) apply(entry chatterbox.Entry) error {
	var c change
	if err := json.Unmarshal(entry.Payload, &c); err != nil {
		return fmt.Errorf("replmap: entry %s: %w", entry.ID, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[c.Key] = c.Value
	m.moveTo(entry.Position)
	return nil
}

// moveTo tells those who wait that more was applied.
func (m *Map) moveTo(applied chatterbox.Position) {
	m.applied = applied
	close(m.moved)
	m.moved = make(chan struct{})
}

func (m *Map) store(w io.Writer) error { return json.NewEncoder(w).Encode(m.All()) }

func (m *Map) load(at chatterbox.Position, r io.Reader) error {
	values := map[string]string{}
	if err := json.NewDecoder(r).Decode(&values); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values = values
	m.moveTo(at)
	return nil
}
