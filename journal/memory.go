package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"syscall"
)

// Memory is a folder in memory that forgets in a crash what was not synced. It
// is for tests and for the simulator, and belongs to one goroutine. The zero
// value is an empty folder on a healthy disk.
type Memory struct {
	// BytesMax is the size of the disk; 0 sets no limit.
	BytesMax int
	// Fail is asked before each operation that changes something ("create",
	// "write", "sync", "cut", "remove", "syncdir"); its error is the
	// operation's. Nil lets all succeed.
	Fail func(operation, name string) error

	files  map[string]*memoryFile // as a process sees them
	kept   map[string]*memoryFile // as of the last SyncDir
	locked bool
}

type memoryFile struct {
	data   []byte
	synced int // bytes that outlive a crash
}

// Crash is the loss of power: all that was not synced is gone, except for the
// first keep(n) of the n bytes that were added to a file; nil keeps none.
// Files of before must not be used any more.
func (m *Memory) Crash(keep func(unsynced int) int) {
	for _, name := range slices.Sorted(maps.Keys(m.kept)) {
		file := m.kept[name]
		left := file.synced
		if keep != nil {
			left += keep(len(file.data) - file.synced)
		}
		m.kept[name] = &memoryFile{data: slices.Clone(file.data[:left]), synced: left}
	}
	m.files = maps.Clone(m.kept)
	m.locked = false
}

// Size gives the bytes of all files.
func (m *Memory) Size() int {
	size := 0
	for _, file := range m.files {
		size += len(file.data)
	}
	return size
}

// Change gives the bytes of a file to change at will, as a bad disk would;
// nil if there is no such file.
func (m *Memory) Change(name string) []byte {
	if file := m.files[name]; file != nil {
		return file.data
	}
	return nil
}

// Lock gives the lock of the folder.
func (m *Memory) Lock() (io.Closer, error) {
	if m.locked {
		return nil, errors.New("data folder in memory is in use")
	}
	m.locked = true
	return memoryLock{m}, nil
}

type memoryLock struct{ m *Memory }

func (l memoryLock) Close() error {
	l.m.locked = false
	return nil
}

// List gives the names in order.
func (m *Memory) List() ([]string, error) { return slices.Sorted(maps.Keys(m.files)), nil }

// Read gives a copy of a file.
func (m *Memory) Read(name string) ([]byte, error) {
	file := m.files[name]
	if file == nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return slices.Clone(file.data), nil
}

// Create makes an empty file.
func (m *Memory) Create(name string) (File, error) {
	if err := m.fails("create", name); err != nil {
		return nil, err
	}
	if m.files[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	if m.files == nil {
		m.files = map[string]*memoryFile{}
	}
	m.files[name] = &memoryFile{}
	return memoryHandle{m, m.files[name], name}, nil
}

// Cut shortens a file for good.
func (m *Memory) Cut(name string, size int64) error {
	file := m.files[name]
	if file == nil || size > int64(len(file.data)) {
		return fmt.Errorf("cut %s at %d: %w", name, size, fs.ErrInvalid)
	}
	if err := m.fails("cut", name); err != nil {
		return err
	}
	file.data, file.synced = file.data[:size], int(size)
	return nil
}

// Remove removes a file, for good only after SyncDir.
func (m *Memory) Remove(name string) error {
	if err := m.fails("remove", name); err != nil {
		return err
	}
	delete(m.files, name)
	return nil
}

// SyncDir makes creations and removals outlive a crash.
func (m *Memory) SyncDir() error {
	if err := m.fails("syncdir", ""); err != nil {
		return err
	}
	m.kept = maps.Clone(m.files)
	return nil
}

func (m *Memory) fails(operation, name string) error {
	if m.Fail == nil {
		return nil
	}
	return m.Fail(operation, name)
}

// memoryHandle is an open file.
type memoryHandle struct {
	m    *Memory
	file *memoryFile
	name string
}

// Write adds to the file as much as the disk takes.
func (h memoryHandle) Write(p []byte) (int, error) {
	if err := h.m.fails("write", h.name); err != nil {
		return 0, err
	}
	n := len(p)
	if h.m.BytesMax > 0 {
		n = max(min(n, h.m.BytesMax-h.m.Size()), 0)
	}
	h.file.data = append(h.file.data, p[:n]...)
	if n < len(p) {
		return n, &fs.PathError{Op: "write", Path: h.name, Err: syscall.ENOSPC}
	}
	return n, nil
}

// Sync makes what was written outlive a crash.
func (h memoryHandle) Sync() error {
	if err := h.m.fails("sync", h.name); err != nil {
		return err
	}
	h.file.synced = len(h.file.data)
	return nil
}

// Close does nothing: nothing is synced by it.
func (h memoryHandle) Close() error { return nil }
