package backup

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/world/journal"
)

// listed is a log in memory: entries from some position on.
type listed struct {
	name    string
	before  []uint64 // entries of each member before the first
	entries []Entry
}

// newListed makes a log of entries of three members, some together in a batch,
// some with keys, some that are no text.
func newListed(count int, before ...uint64) *listed {
	l := &listed{name: "a list", before: before}
	if before == nil {
		l.before = make([]uint64, 3)
	}
	have, position := slices.Clone(l.before), total(l.before)
	for i := range count {
		origin := i / 2 % 3 // two at a time
		have[origin]++
		e := Entry{Position: position + uint64(i) + 1, Origin: member.ID(origin), Seq: have[origin], Time: uint64(10 + i/2)}
		e.Payload = []byte(strings.Repeat("x", i+1))
		switch i % 8 {
		case 4, 5:
			e.Key = fmt.Sprint("key ", i)
		case 6:
			e.Payload = []byte{0xff, 0, byte(i)}
		}
		l.entries = append(l.entries, e)
	}
	return l
}

func (l *listed) About() About {
	have := slices.Clone(l.before)
	for i := range l.entries {
		have[l.entries[i].Origin]++
	}
	first := total(l.before) + 1
	return About{Name: l.name, Members: []string{"a", "b", "c"}, Oldest: first, Settled: first - 1 + uint64(len(l.entries)), Have: have}
}

func (l *listed) Close() error { return nil }

func (l *listed) Entries(_ context.Context, from, to uint64) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for i := range l.entries {
			if e := l.entries[i]; e.Position >= from && e.Position <= to && !yield(&e, nil) {
				return
			}
		}
	}
}

// all reads all of a log.
func all(t *testing.T, log Log) []Entry {
	t.Helper()
	about, entries := log.About(), []Entry(nil)
	for e, err := range log.Entries(t.Context(), about.Oldest, about.Settled) {
		if err != nil {
			t.Fatal(err)
		}
		kept := *e
		kept.Payload = slices.Clone(e.Payload)
		entries = append(entries, kept)
	}
	return entries
}

// written returns a backup of a log.
func written(t *testing.T, log Log) *File {
	t.Helper()
	var out bytes.Buffer
	digest, err := Write(t.Context(), &out, log)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(path)
	if err != nil || f.Digest() != digest {
		t.Fatalf("digest %s, %v", digest, err)
	}
	return f
}

func targetFor(t *testing.T, self member.ID) Target {
	t.Helper()
	list, err := member.ParseList(strings.NewReader(`["h:1", "h:2", "h:3"]`), "peers.json")
	if err != nil {
		t.Fatal(err)
	}
	return Target{Folder: filepath.Join(t.TempDir(), "data"), Members: list, Names: Letters(3), Self: self}
}

// TestFileAndFolderHaveWhatWasWritten: from a log to a file, from that to the
// folders of members, and from those to files again, everything stays the same,
// also when the first positions are not retained any more.
func TestFileAndFolderHaveWhatWasWritten(t *testing.T) {
	for _, before := range [][]uint64{nil, {5, 0, 2}} {
		log := newListed(40, before...)
		file := written(t, log)
		if got := all(t, file); !slices.EqualFunc(got, log.entries, func(a, b Entry) bool { return same(&a, &b) }) {
			t.Fatalf("the file has %v", got)
		}
		for self := range member.ID(3) {
			target := targetFor(t, self)
			if err := Restore(t.Context(), file, target); err != nil {
				t.Fatal(err)
			}
			folder, err := OpenFolder(target.Folder, nil)
			if err != nil {
				t.Fatal(err)
			}
			v, err := Compare(t.Context(), []Log{log, file, folder})
			if err != nil || v.Differs > 0 || v.From != log.About().Oldest || v.To != log.About().Settled || v.Digest != file.Digest() {
				t.Errorf("%+v, %v", v, err)
			}
			if got, want := folder.About().Have, log.About().Have; !slices.Equal(got, want) {
				t.Errorf("members have %v entries, want %v", got, want)
			}
			report, err := Inspect(target.Folder)
			if err != nil || len(report.Damages) > 0 || report.Refusal != nil {
				t.Errorf("%+v, %v", report, err)
			}
			if err := folder.Close(); err != nil {
				t.Error(err)
			}
			if err := Restore(t.Context(), file, target); err == nil || !strings.Contains(err.Error(), "is not empty") {
				t.Errorf("restored over a folder: %v", err)
			}
		}
	}
}

func TestFirstDifferenceIsNamed(t *testing.T) {
	log, other := newListed(9), newListed(7)
	other.entries[4].Payload = []byte("another")
	v, err := Compare(t.Context(), []Log{log, written(t, log), other})
	if err != nil || v.Differs != 5 || len(v.Says) != 3 || !strings.Contains(v.Says[2], "another") {
		t.Errorf("%+v, %v", v, err)
	}
	later := newListed(3, 9, 9, 9)
	if v, err := Compare(t.Context(), []Log{log, later}); err != nil || v.To >= v.From || v.Differs > 0 {
		t.Errorf("nothing in common: %+v, %v", v, err)
	}
	other.entries = slices.Delete(other.entries, 2, 3)
	if _, err := Compare(t.Context(), []Log{log, other}); err == nil || !strings.Contains(err.Error(), "position 3 is missing") {
		t.Errorf("a hole: %v", err)
	}
}

// TestChangedFileIsRefused changes each bit of a backup, or some where CI does not want
// all, and cuts it off everywhere: it is refused, or means the same (the letters of a field's name
// may be capitals).
func TestChangedFileIsRefused(t *testing.T) {
	log := newListed(2)
	file := written(t, log)
	text, err := os.ReadFile(file.path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "changed")
	refused := 0
	judge := func(what string, changed []byte, mayMeanTheSame bool) {
		t.Helper()
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := OpenFile(path)
		if err != nil {
			refused++
			return
		}
		if a, b := f.About(), log.About(); !mayMeanTheSame || f.Digest() != file.Digest() || !slices.Equal(a.Members, b.Members) || a.Settled != b.Settled || !slices.Equal(a.Have, b.Have) {
			t.Errorf("%s: taken", what)
		}
	}
	every := draw.Of(1, 11) // all eight of a byte have their turn
	for bit := 0; bit < 8*len(text); bit += every {
		changed := slices.Clone(text)
		changed[bit/8] ^= 1 << (bit % 8)
		judge(fmt.Sprintf("bit %d of byte %d", bit%8, bit/8), changed, true)
	}
	for size := range len(text) - 1 { // the last line may lack its end
		judge(fmt.Sprintf("%d bytes of it", size), text[:size], false)
	}
	if refused < 8*len(text)/every {
		t.Errorf("%d refused of %d bits", refused, 8*len(text))
	}
	judge("one line more", append(slices.Clone(text), "{}\n"...), false)
}

// TestRestoreRefusesWhatDoesNotFit: other members, and a backup that cannot be.
func TestRestoreRefusesWhatDoesNotFit(t *testing.T) {
	target := targetFor(t, 0)
	target.Names = []string{"a", "c", "b"}
	if err := Restore(t.Context(), written(t, newListed(3)), target); err == nil || !strings.Contains(err.Error(), "they must be the same, in the same order") {
		t.Errorf("other members: %v", err)
	}
	gap := newListed(9)
	gap.entries[7].Seq++
	target = targetFor(t, 0)
	if err := Restore(t.Context(), written(t, gap), target); err == nil || !strings.Contains(err.Error(), "follows entry") {
		t.Errorf("a gap: %v", err)
	}
	for _, path := range []string{target.Folder, target.Folder + ".partial"} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is left", path)
		}
	}
}

// TestDamagedEntriesComeBackFromAnotherLog damages each byte of each record of a
// folder: what is settled is put back exactly, the rest is told.
func TestDamagedEntriesComeBackFromAnotherLog(t *testing.T) {
	log := newListed(8)
	target := targetFor(t, 1)
	if err := Restore(t.Context(), written(t, log), target); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(target.Folder, "0000000000000001.log")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mended, told := 0, 0
	for at := range whole {
		changed := slices.Clone(whole)
		changed[at] ^= 0x55
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Mend(t.Context(), target.Folder, log)
		if err != nil {
			t.Fatal(err)
		}
		now, err := os.ReadFile(path)
		switch {
		case err != nil:
			t.Fatal(err)
		case len(m.Report.Damages) == 0 && bytes.Equal(now, whole):
			mended++
		case len(m.Report.Damages) > 0 && len(m.Why) > 0 && bytes.Equal(now, changed):
			told++
		default:
			t.Fatalf("byte %d: %v, %v", at, m.Report.Damages, m.Why)
		}
	}
	if t.Logf("%d bytes mended, %d told", mended, told); mended < told {
		t.Error("too few are mended")
	}
	files, err := journal.Folder(target.Folder)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := files.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Mend(t.Context(), target.Folder, log); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("mended under a running member: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
}

// TestDocumentShowsWhatIsWritten holds the example of the page to the program.
func TestDocumentShowsWhatIsWritten(t *testing.T) {
	page, err := os.ReadFile("../../docs/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	log := &pair{&listed{name: "example", before: []uint64{0, 0}, entries: []Entry{
		{Position: 1, Origin: 0, Seq: 1, Time: 5, Payload: []byte("hello")},
		{Position: 2, Origin: 1, Seq: 1, Time: 5, Key: "k", Payload: []byte{0xff, 0}},
	}}}
	var out bytes.Buffer
	if _, err := Write(t.Context(), &out, log); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```\n"+out.String()+"```\n") {
		t.Errorf("docs/backup.md does not show\n%s", out.String())
	}
}

// pair is a log of two members.
type pair struct{ *listed }

func (p *pair) About() About {
	about := p.listed.About()
	about.Members = about.Members[:2]
	return about
}
