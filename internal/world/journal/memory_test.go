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

// TestMemoryIsAPlainDisk does whatever can be done to a file, at random, and compares
// what is read and what is on disk with a file that is kept byte by byte.
func TestMemoryIsAPlainDisk(t *testing.T) {
	refused := errors.New("refused")
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		fails := false
		disk := &Memory{Fail: func(operation, _ string) error {
			if fails && operation == "sync" {
				return refused
			}
			return nil
		}}
		file, err := disk.Create("x")
		if err == nil {
			err = disk.SyncDir()
		}
		if err != nil {
			t.Fatal(err)
		}
		plain, crashed := &plainFile{}, false
		for step := range 200 {
			switch k := rng.IntN(40); {
			case k < 18: // mostly at the end
				at := len(plain.data)
				if k < 3 {
					at = rng.IntN(at + 1)
				}
				p := []byte{byte(step), byte(k), 1, 2, 3}[:1+rng.IntN(5)]
				if _, err := file.WriteAt(p, int64(at)); err != nil {
					t.Fatal(err)
				}
				plain.write(p, at)
			case k < 30:
				fails = seed%2 == 0 && rng.IntN(8) == 0
				if err := file.Sync(); (err != nil) != fails {
					t.Fatal(err)
				}
				plain.sync(fails)
			case k < 33:
				size := rng.IntN(len(plain.data) + 1)
				if err := file.Truncate(int64(size)); err != nil {
					t.Fatal(err)
				}
				plain.data = plain.data[:size]
			case k == 33 && len(plain.data) > 0:
				at := rng.IntN(len(plain.data))
				disk.Change("x")[at]++
				plain.data[at]++
			case k == 34 && len(plain.data) > 0:
				bit := rng.IntN(8 * len(plain.data))
				disk.RotBit(bit)
				plain.data[bit/8] ^= 1 << (bit % 8)
				if bit/8 < len(plain.disk) {
					plain.disk[bit/8] ^= 1 << (bit % 8)
				}
			case k == 35:
				backup := disk.Clone()
				backup.Fail = disk.Fail
				disk = backup
				plain.disk, plain.dirty = bytes.Clone(plain.data), make([]bool, len(plain.data))
			case k > 36:
				all, old := k == 37, file
				disk.Crash(func(n int) (int, int) {
					if all {
						return 0, n
					}
					return 0, 0
				})
				plain.crash(all)
				crashed = true
				if file, err = disk.Open("x"); err != nil {
					t.Fatal(err)
				}
				if _, err := old.WriteAt([]byte("late"), 0); err != nil { // of who does not know yet
					t.Fatal(err)
				}
			}
			if file, err = disk.Open("x"); err != nil {
				t.Fatal(err)
			}
			if got := disk.files["x"].data; !bytes.Equal(got, plain.data) {
				t.Fatalf("seed %d, step %d: reads %v, want %v", seed, step, got, plain.data)
			}
			if got := disk.files["x"].disk; !bytes.Equal(got, plain.disk) {
				t.Fatalf("seed %d, step %d: on disk are %v, want %v", seed, step, got, plain.disk)
			}
		}
		if !crashed {
			t.Errorf("seed %d: nothing crashed", seed)
		}
	}
}
