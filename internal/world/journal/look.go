package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// ReadOnly returns the folder at path on disk to be looked at: whatever would
// change it fails.
func ReadOnly(path string) (FS, error) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = errors.New("it is no folder")
	}
	if err != nil {
		return nil, fmt.Errorf("journal: data folder %s: %w", path, err)
	}
	return readOnly{folder(path)}, nil
}

type readOnly struct{ folder }

func (f readOnly) Open(name string) (File, error) { return openFile(f.path(name), os.O_RDONLY) }

func (readOnly) Create(string) (File, error) { return nil, fs.ErrPermission }

func (readOnly) Remove(string) error { return fs.ErrPermission }

// Lock keeps nobody out.
func (readOnly) Lock() (io.Closer, error) { return io.NopCloser(nil), nil }

// View is what can be read of a folder without changing it, also while a member
// runs on it: what has settled, as far as the index or the segments on disk say.
// What is settled never changes, so whatever is seen is right.
type View struct {
	Cluster string
	Self    member.ID
	Members int
	Have    []uint64 // entries of each stream up to End

	archive *Archive
}

// Look opens a view of a folder.
func Look(files FS) (*View, error) {
	numbers, err := list(files)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if len(numbers) == 0 {
		return nil, errors.New("journal: there is no journal in the folder")
	}
	newest, err := newestHead(files, numbers)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	v := &View{
		Cluster: newest.header.cluster, Self: newest.header.self, Members: newest.header.members,
		Have: make([]uint64, newest.state.places(newest.header.members)), archive: &Archive{fs: files, handles: newHandles(files)},
	}
	copy(v.Have, newest.state.base.Have)   // of those that are not in the index
	beyond := settledBeyond(files, newest) // before the index, which it may run ahead of
	if err := v.archive.look(numbers[0], v.Have); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), v.archive.close())
	}
	v.goOn(beyond)
	return v, nil
}

// Owner is whom a folder belongs to.
type Owner struct {
	Cluster  string
	Self     member.ID
	Members  int // in the list; who joined has a place behind those
	List     uint64
	Identity member.Identity
	View     *member.View // that its newest segment has; nil: there was none after the first one
}

// OwnerOf returns whom a folder belongs to, nil if nothing in it counts yet.
func OwnerOf(files FS) (*Owner, error) {
	numbers, err := list(files)
	for i := len(numbers) - 1; i >= 0 && err == nil; i-- {
		var data []byte
		if data, err = ReadFile(files, segmentName(numbers[i])); err != nil {
			break
		}
		cfg, torn := ownerOf(data)
		p := &part{}
		if torn == nil {
			p, torn = readPart(numbers[i], data, &cfg)
		}
		switch {
		case p.begun():
			h := &p.header
			return &Owner{Cluster: h.cluster, Self: h.self, Members: h.members, List: h.list, Identity: h.identity, View: p.state.view}, nil
		case !errors.Is(torn, errTorn), acknowledged(data, 0):
			err = fmt.Errorf("segment %d: %w", numbers[i], errors.Join(torn, ErrDamaged))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return nil, nil
}

// beyondBytesMax is how much of the newest segments is looked at for what has
// settled and is not in the index on disk yet, in bytes.
const beyondBytesMax = 256 << 20

// settledBeyond returns the batches above the base that have settled, in the
// order: a member writes its index a little later. Where they cannot be read, or
// are too much, the index has to do.
func settledBeyond(files FS, newest *part) (settled []loose) {
	cfg := newest.owner()
	cfg.LoadBytesMax = beyondBytesMax
	r, err := recoverOnly(files, &cfg)
	if err != nil {
		return nil // fsck says why
	}
	for _, p := range r.parts {
		for i := range p.batches {
			b := p.batches[i]
			if b.Last() <= r.state.reach(b.Origin, b.Identity) && b.Time <= r.state.settled {
				b.Bytes = nil
				settled = append(settled, loose{b, p.at[i]})
			}
		}
	}
	slices.SortStableFunc(settled, func(a, b loose) int {
		return cmp.Or(cmp.Compare(a.batch.Time, b.batch.Time), cmp.Compare(a.batch.Origin, b.batch.Origin))
	})
	return settled
}

// recoverOnly does what a start does up to where it would change something.
func recoverOnly(files FS, cfg *Config) (*recovery, error) {
	r := &recovery{fs: files, cfg: cfg, shelf: newShelf(files, cfg)}
	err := r.readAll()
	if r.anchor != nil {
		_ = r.anchor.file.Close() // it was only read
	}
	return r, err
}

// owner returns the configuration of whom a segment belongs to.
func (p *part) owner() Config {
	h := &p.header
	return Config{Cluster: h.cluster, Self: h.self, Members: h.members, List: h.list, Identity: h.identity}
}

// goOn adds what follows the index, as far as it does without a gap.
func (v *View) goOn(settled []loose) {
	if len(v.archive.files) == 0 { // nothing is kept to be read below the base
		v.archive.begin, v.archive.end = positionOf(v.Have), positionOf(v.Have)
	}
	if v.archive.end != positionOf(v.Have) {
		return
	}
	for i := range settled {
		b := &settled[i].batch
		switch have := v.Have[b.Origin]; {
		case b.Last() <= have:
			continue // it is in the index, or came twice
		case b.Seq != have+1:
			return
		}
		v.Have[b.Origin] = b.Last()
		v.archive.settle(b, settled[i].at)
	}
}

// newestHead reads the head of the newest segment that has a whole one: the one
// after it may be only begun.
func newestHead(files FS, numbers []uint64) (p *part, err error) {
	for i := len(numbers) - 1; i >= 0 && i > len(numbers)-3; i-- {
		var head error
		if p, head = headOf(files, numbers[i]); head == nil {
			return p, nil
		}
		err = errors.Join(err, head)
	}
	return nil, err
}

// headOf reads the head of a segment, whoever it belongs to.
func headOf(files FS, number uint64) (*part, error) {
	file, err := files.Open(segmentName(number))
	if err != nil {
		return nil, err
	}
	size, err := file.Size()
	var p *part
	if err == nil {
		data := make([]byte, min(size, headBytesGuess))
		_, _ = file.ReadAt(data, 0) // what is missing is not whole
		var cfg Config
		if cfg, err = ownerOf(data); err == nil {
			p, err = readHeadOf(file, number, size, &cfg)
		}
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("segment %d: %w", number, err)
	}
	return p, nil
}

// ownerOf returns the configuration of whom a segment belongs to, by its
// first bytes.
func ownerOf(data []byte) (Config, error) {
	_, body, _, err := nextRecord(data)
	if err != nil {
		return Config{}, fmt.Errorf("byte 0: %w", err)
	}
	h, err := decodeHeader(body)
	return (&part{header: h}).owner(), err
}

// look opens the index to be read, given the oldest segment, and finds how many
// entries of each stream have settled by its end.
func (a *Archive) look(oldest uint64, have []uint64) error {
	firsts, err := listIndex(a.fs)
	if err != nil {
		return err
	}
	for _, first := range firsts {
		file, err := a.fs.Open(indexName(first))
		if err != nil {
			return err
		}
		size, err := file.Size()
		a.files = append(a.files, &indexFile{first: first, records: int(size / entryBytes), handle: &handle{file: file}})
		if err != nil {
			return err
		}
	}
	if len(firsts) > 0 {
		a.begin, a.end = firsts[0]-1, firsts[0]-1
	}
	for _, f := range a.files {
		for from := 0; from < f.records; from += scanRecords {
			entries, err := f.read(from, min(scanRecords, f.records-from))
			for i := range entries {
				e := &entries[i]
				if a.end = e.last(); e.at.segment < oldest {
					a.begin = a.end
				}
				if int(e.origin) < len(have) {
					have[e.origin] = e.seq + uint64(e.count) - 1
				}
			}
			if err != nil {
				return fmt.Errorf("%w; fsck tells more", err)
			}
		}
	}
	return nil
}

// Begin returns the last position that cannot be read any more; 0 if all can.
func (v *View) Begin() uint64 { return v.archive.Begin() }

// End returns the last position that can be read.
func (v *View) End() uint64 { return v.archive.End() }

// Read is that of an [Archive].
func (v *View) Read(after uint64, dst []protocol.Batch) (first uint64, n int, err error) {
	return v.archive.Read(after, dst)
}

// Close gives back what is open.
func (v *View) Close() error { return v.archive.close() }
