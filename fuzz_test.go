package chatterbox

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/node"
)

// FuzzSnapshotFile has anything stand where a snapshot may: it is whole, and then
// what was stored, or it is none.
func FuzzSnapshotFile(f *testing.F) {
	var disk journal.Memory
	stored, err := openSnapshots(&node.Config{Snapshots: &disk})
	if err == nil {
		err = stored.store(7, func(w io.Writer) error {
			_, err := w.Write([]byte("state"))
			return err
		})
	}
	if err != nil {
		f.Fatal(err)
	}
	newest, err := stored.newest()
	if err != nil {
		f.Fatal(err)
	}
	name := newest.name
	whole := bytes.Clone(disk.Change(name))
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var disk journal.Memory
		file, err := disk.Create(name)
		if err == nil {
			_, err = file.WriteAt(data, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		s, err := openSnapshots(&node.Config{Snapshots: &disk})
		if err != nil {
			t.Fatal(err)
		}
		k, err := s.newest()
		if errors.Is(err, ErrNoSnapshot) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		state, err := io.ReadAll(k.reader())
		if err != nil || len(state)+trailerBytes != len(data) || !bytes.Equal(state, data[:len(state)]) || uint64(s.position()) != k.at {
			t.Fatalf("%d bytes of state at %d in a file of %d: %v", len(state), k.at, len(data), err)
		}
	})
}
