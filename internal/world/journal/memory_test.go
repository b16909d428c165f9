package journal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// plainFile is a file byte by byte.
type plainFile struct {
	data, disk []byte
	dirty      []bool // of data, and beyond it where the file was longer
}

func (f *plainFile) write(p []byte, at int) {
	for len(f.data) < at+len(p) {
		f.data = append(f.data, 0)
	}
	for len(f.dirty) < len(f.data) {
		f.dirty = append(f.dirty, false)
	}
	copy(f.data[at:], p)
	for i := range p {
		f.dirty[at+i] = true
	}
}

// reach lets one byte reach the disk.
func (f *plainFile) reach(at int) {
	for len(f.disk) <= at {
		f.disk = append(f.disk, 0)
	}
	f.disk[at] = f.data[at]
}

func (f *plainFile) sync(drops bool) {
	for at := range f.data {
		if f.dirty[at] && !drops {
			f.reach(at)
		}
	}
	if clear(f.dirty); !drops {
		f.disk = f.disk[:min(len(f.disk), len(f.data))]
	}
}

func (f *plainFile) crash(all bool) {
	for at := range f.data {
		if f.dirty[at] && all {
			f.reach(at)
		}
	}
	f.data, f.dirty = bytes.Clone(f.disk), make([]bool, len(f.disk))
}

// twoDisks is a file on a disk in memory and what it should be.
type twoDisks struct {
	*testing.T
	rng   *rand.Rand
	disk  *Memory
	fails bool // syncs
	plain plainFile
}

func (d *twoDisks) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *twoDisks) file() File {
	d.Helper()
	file, err := d.disk.Open("x")
	d.must(err)
	return file
}

// write writes mostly at the end.
func (d *twoDisks) write(step int) {
	at := len(d.plain.data)
	if d.rng.IntN(6) == 0 {
		at = d.rng.IntN(at + 1)
	}
	p := []byte{byte(step), 1, 2, 3, 4}[:1+d.rng.IntN(5)]
	_, err := d.file().WriteAt(p, int64(at))
	d.must(err)
	d.plain.write(p, at)
}

func (d *twoDisks) sync(mayFail bool) {
	d.fails = mayFail && d.rng.IntN(8) == 0
	if err := d.file().Sync(); (err != nil) != d.fails {
		d.Fatal(err)
	}
	d.plain.sync(d.fails)
}

func (d *twoDisks) truncate() {
	size := d.rng.IntN(len(d.plain.data) + 1)
	d.must(d.file().Truncate(int64(size)))
	d.plain.data = d.plain.data[:size]
}

// rot changes a bit of what is read, or of the disk too.
func (d *twoDisks) rot() {
	bit := d.rng.IntN(8*len(d.plain.data) + 1)
	switch at, mask := bit/8, byte(1)<<(bit%8); {
	case at == len(d.plain.data):
	case d.rng.IntN(2) == 0:
		d.disk.Change("x")[at] ^= mask
		d.plain.data[at] ^= mask
	default:
		d.disk.RotBit(bit)
		if d.plain.data[at] ^= mask; at < len(d.plain.disk) {
			d.plain.disk[at] ^= mask
		}
	}
}

// crash loses the power while somebody still writes who does not know of it.
func (d *twoDisks) crash(all bool) {
	late := d.file()
	d.disk.Crash(func(n int) (int, int) {
		if all {
			return 0, n
		}
		return 0, 0
	})
	d.plain.crash(all)
	_, err := late.WriteAt([]byte("late"), 0)
	d.must(err)
}

func (d *twoDisks) restoreBackup() {
	backup := d.disk.Clone()
	backup.Fail = d.disk.Fail
	d.disk = backup
	d.plain.disk, d.plain.dirty = bytes.Clone(d.plain.data), make([]bool, len(d.plain.data))
}

// TestMemoryIsAPlainDisk does whatever can be done to a file, at random, and compares
// what is read and what is on disk with a file that is kept byte by byte.
func TestMemoryIsAPlainDisk(t *testing.T) {
	for seed := range uint64(300) {
		d := &twoDisks{T: t, rng: rand.New(rand.NewPCG(seed, 1)), disk: &Memory{}}
		d.disk.Fail = func(operation, _ string) error {
			if d.fails && operation == "sync" {
				return errors.New("refused")
			}
			return nil
		}
		_, err := d.disk.Create("x")
		d.must(err)
		d.must(d.disk.SyncDir())
		for step := range 200 {
			switch k := d.rng.IntN(40); {
			case k < 18:
				d.write(step)
			case k < 30:
				d.sync(seed%2 == 0)
			case k < 33:
				d.truncate()
			case k < 36:
				d.rot()
			case k == 36:
				d.restoreBackup()
			default:
				d.crash(k == 37)
			}
			if got := d.disk.files["x"].data; !bytes.Equal(got, d.plain.data) {
				t.Fatalf("seed %d, step %d: reads %v, want %v", seed, step, got, d.plain.data)
			}
			if got := d.disk.files["x"].disk; !bytes.Equal(got, d.plain.disk) {
				t.Fatalf("seed %d, step %d: on disk are %v, want %v", seed, step, got, d.plain.disk)
			}
		}
	}
}
