package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"chatterbox/internal/core/protocol"
)

// FS is the folder of a journal. What is written and not yet synced, and
// files made or removed before SyncDir, may be lost when power fails. When only
// the process ends, all of it stays readable until then.
type FS interface {
	// Lock keeps other processes out until the closer is closed.
	Lock() (io.Closer, error)
	// List returns the names of all files.
	List() ([]string, error)
	// Create makes a file that must not exist yet.
	Create(name string) (File, error)
	// Open opens a file that exists, to be read and written.
	Open(name string) (File, error)
	Remove(name string) error
	// SyncDir makes durable which files there are.
	SyncDir() error
}

// File is an open file of a folder. Its ReadAt may be called by several
// goroutines at a time, also while it is written elsewhere.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns the length of the file, in bytes.
	Size() (int64, error)
	// Truncate shortens the file; like what is written it lasts after Sync.
	Truncate(size int64) error
	// Sync makes durable all that was written since the last call. After an
	// error what it was about may be readable and will never be durable,
	// unless it is written again.
	Sync() error
}

// lockName is the file whose lock keeps two processes apart.
const lockName = "lock"

// Folder returns the folder at path on disk; it is made if it is not there.
func Folder(path string) (FS, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("journal: data folder: %w", err)
	}
	return folder(path), nil
}

type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

func (f folder) Lock() (io.Closer, error) {
	file, err := os.OpenFile(f.path(lockName), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder %s is in use: stop the other process, or give this member its own folder: %w",
			string(f), err), file.Close())
	}
	return file, nil
}

func (f folder) List() ([]string, error) {
	entries, err := os.ReadDir(string(f))
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, err
}

func (f folder) Create(name string) (File, error) {
	return openFile(f.path(name), os.O_CREATE|os.O_EXCL|os.O_RDWR)
}

func (f folder) Open(name string) (File, error) { return openFile(f.path(name), os.O_RDWR) }

func openFile(path string, flags int) (File, error) {
	file, err := os.OpenFile(path, flags, 0o640)
	if err != nil {
		return nil, err
	}
	return diskFile{file}, nil
}

func (f folder) Remove(name string) error { return os.Remove(f.path(name)) }

func (f folder) SyncDir() error {
	dir, err := os.Open(string(f))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// diskFile syncs only what is needed to read the data back.
type diskFile struct{ *os.File }

func (f diskFile) Sync() error { return syncData(f.File) }

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// ReadFile returns the whole of a file of a folder.
func ReadFile(files FS, name string) ([]byte, error) {
	file, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := readAll(file)
	return data, errors.Join(err, file.Close())
}

// noRoom adds to an error of a write or of the making of a file that it is one
// that ends when there is room. Errors of a sync are never given to it: what
// was to be synced then may be gone.
func noRoom(err error) error {
	if isNoRoom(err) {
		return fmt.Errorf("%w: %w", protocol.ErrNoRoom, err)
	}
	return err
}

// readAll returns the whole of a file.
func readAll(file File) ([]byte, error) {
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	n, err := file.ReadAt(data, 0)
	if n == len(data) {
		err = nil
	}
	return data[:n], err
}
