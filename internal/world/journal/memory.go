package journal

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"syscall"
)

// Memory is a folder in memory that behaves as one on disk does when
// something goes wrong. It is for tests and for the simulator. It is safe for
// concurrent use; its public fields are set before. The zero value is an empty
// folder on a healthy disk.
//
// What is written can be read at once, and outlives the end of the process
// ([Memory.Kill]), for it lies in the cache of the machine. It outlives the
// loss of power ([Memory.Crash]) only once it is synced. A sync that fails
// drops what it was about: it stays readable, and a later sync does not make
// it durable (Rebello and others, Can Applications Recover from fsync
// Failures?, 2020).
type Memory struct {
	// BytesMax is the size of the disk; 0 sets no limit. See [Memory.Resize].
	BytesMax int
	// Fail is asked before each operation that changes something ("create",
	// "write", "truncate", "sync", "remove", "syncdir"); its error is the
	// operation's. Nil lets all succeed.
	Fail func(operation, name string) error

	mu     sync.Mutex             // guards all below
	files  map[string]*memoryFile // as a process sees them
	kept   map[string]*memoryFile // as of the last SyncDir
	moved  []string               // created or removed since
	locked bool
}

// ErrEnded is what Fail returns for an operation in which the process ends:
// nothing is done, and nothing is dropped either.
var ErrEnded = errors.New("the process ended")

// memoryFile is a file: its content as processes read it, its content on disk,
// and which parts of the first are on the way to the second.
type memoryFile struct {
	data  []byte
	disk  []byte
	dirty []span // in the order of writing, neighbours joined
}

// span is a part of a file, from an offset to before another one.
type span struct{ from, to int }

// Kill is the end of the process: nothing is lost, and another process may have
// the folder. Open files must not be used any more.
func (m *Memory) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.locked = false
}

// Crash is the loss of power: all that was not synced is gone, except for the
// part [from, to) of each n bytes that were written somewhere and not synced,
// as survives(n) returns it; nil lets nothing survive. Open files must not be
// used any more.
func (m *Memory) Crash(survives func(n int) (from, to int)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.kept)) {
		file := m.kept[name]
		for _, part := range file.dirty {
			if survives != nil {
				from, to := survives(part.to - part.from)
				file.reach(span{part.from + from, part.from + to})
			}
		}
		m.kept[name] = &memoryFile{data: slices.Clone(file.disk), disk: file.disk}
	}
	m.files, m.moved = maps.Clone(m.kept), nil
	m.locked = false
}

// reach lets a part of the content reach the disk. What was never written
// before it reads as zeros.
func (f *memoryFile) reach(part span) {
	part.to = min(part.to, len(f.data))
	if part.from >= part.to {
		return
	}
	for len(f.disk) < part.to {
		f.disk = append(f.disk, make([]byte, part.to-len(f.disk))...)
	}
	copy(f.disk[part.from:part.to], f.data[part.from:part.to])
}

// Resize sets BytesMax, while the disk is in use.
func (m *Memory) Resize(bytesMax int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.BytesMax = bytesMax
}

// Size returns the bytes of all files.
func (m *Memory) Size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.size()
}

func (m *Memory) size() int {
	size := 0
	for _, file := range m.files {
		size += len(file.data)
	}
	return size
}

// Change returns the bytes of a file to change at will, as a bad disk would;
// nil if there is no such file.
func (m *Memory) Change(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if file := m.files[name]; file != nil {
		return file.data
	}
	return nil
}

// Rot changes a bit wherever a text stands in a file, as a bad disk would, for
// good, and returns how often that was.
func (m *Memory) Rot(text []byte) (times int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, file := range m.files {
		for from := 0; ; times++ {
			at := bytes.Index(file.data[from:], text)
			if at < 0 {
				break
			}
			from += at
			file.data[from] ^= 1
			if from < len(file.disk) {
				file.disk[from] ^= 1
			}
			from++
		}
	}
	return times
}

// RotBit changes one bit of all files, in the order of their names, as [Memory.Rot]
// does, and returns how many bits there are; beyond them it changes nothing.
func (m *Memory) RotBit(bit int) (bits int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		file := m.files[name]
		if at := bit - bits; at >= 0 && at < 8*len(file.data) {
			file.data[at/8] ^= 1 << (at % 8)
			if at/8 < len(file.disk) {
				file.disk[at/8] ^= 1 << (at % 8)
			}
		}
		bits += 8 * len(file.data)
	}
	return bits
}

// Clone returns a copy of the folder as processes see it, all of it durable: a
// backup.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Memory{files: map[string]*memoryFile{}}
	for name, file := range m.files {
		c.files[name] = &memoryFile{data: slices.Clone(file.data), disk: slices.Clone(file.data)}
	}
	c.kept = maps.Clone(c.files)
	return c
}

// Lock returns the lock of the folder.
func (m *Memory) Lock() (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked {
		return nil, errors.New("data folder in memory is in use")
	}
	m.locked = true
	return memoryLock{m}, nil
}

type memoryLock struct{ m *Memory }

func (l memoryLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.m.locked = false
	return nil
}

// List returns the names in order.
func (m *Memory) List() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.files)), nil
}

// Create makes an empty file.
func (m *Memory) Create(name string) (File, error) {
	if err := m.fails("create", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	if m.files == nil {
		m.files = map[string]*memoryFile{}
	}
	m.files[name] = &memoryFile{}
	m.moved = append(m.moved, name)
	return memoryHandle{m, m.files[name], name}, nil
}

// Open opens a file that exists.
func (m *Memory) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	file := m.files[name]
	if file == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return memoryHandle{m, file, name}, nil
}

// Remove removes a file, for good only after SyncDir.
func (m *Memory) Remove(name string) error {
	if err := m.fails("remove", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(m.files, name)
	m.moved = append(m.moved, name)
	return nil
}

// SyncDir makes creations and removals outlive a crash.
func (m *Memory) SyncDir() error {
	if err := m.fails("syncdir", ""); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = map[string]*memoryFile{}
	}
	for _, name := range m.moved {
		if file := m.files[name]; file != nil {
			m.kept[name] = file
		} else {
			delete(m.kept, name)
		}
	}
	m.moved = m.moved[:0]
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

// ReadAt reads what was written, synced or not.
func (h memoryHandle) ReadAt(p []byte, at int64) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if at >= int64(len(h.file.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.file.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes as much as the disk takes.
func (h memoryHandle) WriteAt(p []byte, at int64) (int, error) {
	if err := h.m.fails("write", h.name); err != nil {
		return 0, err
	}
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	n, f := len(p), h.file
	if grows := int(at) + n - len(f.data); h.m.BytesMax > 0 && grows > 0 {
		n -= min(n, max(grows-max(h.m.BytesMax-h.m.size(), 0), 0))
	}
	end := int(at) + n
	if more := end - len(f.data); more > 0 {
		f.data = append(f.data, make([]byte, more)...)
	}
	copy(f.data[at:end], p[:n])
	f.soil(span{int(at), end})
	if n < len(p) {
		return n, &fs.PathError{Op: "write", Path: h.name, Err: syscall.ENOSPC}
	}
	return n, nil
}

// soil notes that a part is not on disk yet.
func (f *memoryFile) soil(part span) {
	if last := len(f.dirty) - 1; last >= 0 && f.dirty[last].to == part.from {
		f.dirty[last].to = part.to
		return
	}
	f.dirty = append(f.dirty, part)
}

// Size returns the length of the file.
func (h memoryHandle) Size() (int64, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	return int64(len(h.file.data)), nil
}

// Truncate shortens the file; on disk it is as long as before until Sync.
func (h memoryHandle) Truncate(size int64) error {
	if err := h.m.fails("truncate", h.name); err != nil {
		return err
	}
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if size > int64(len(h.file.data)) {
		return &fs.PathError{Op: "truncate", Path: h.name, Err: fs.ErrInvalid}
	}
	h.file.data = h.file.data[:size]
	return nil
}

// Sync makes what was written since the last call outlive a crash.
func (h memoryHandle) Sync() error {
	err := h.m.fails("sync", h.name)
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	f := h.file
	if err != nil {
		if !errors.Is(err, ErrEnded) {
			f.dirty = nil
		}
		return err
	}
	for _, part := range f.dirty {
		f.reach(part)
	}
	f.dirty = f.dirty[:0]
	f.disk = f.disk[:min(len(f.disk), len(f.data))]
	return nil
}

// Close does nothing: nothing is synced by it.
func (h memoryHandle) Close() error { return nil }
