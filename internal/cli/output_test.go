package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// full takes so many bytes and no more.
type full struct {
	room   int
	closed error
}

func (f *full) Write(data []byte) (int, error) {
	n := min(f.room, len(data))
	if f.room -= n; n < len(data) {
		return n, &os.PathError{Op: "write", Path: "somewhere", Err: errFull}
	}
	return n, nil
}

func (f *full) Close() error { return f.closed }

var errFull, errClose = errors.New("no room"), errors.New("lost on the way")

func TestOutputKeepsItsFirstError(t *testing.T) {
	to := &full{room: 5, closed: errClose}
	out := NewOutput(to)
	_, _ = io.WriteString(out, "four")
	if out.Err() != nil {
		t.Errorf("error %v after what fits", out.Err())
	}
	_, _ = io.WriteString(out, "four")
	to.room = 100
	_, _ = io.WriteString(out, "and more")
	if !errors.Is(out.Err(), errFull) || out.Err().Error() != "no room" || to.room != 100 {
		t.Errorf("error %v, room %d", out.Err(), to.room)
	}
	if err := out.Close(); !errors.Is(err, errFull) {
		t.Errorf("closed with %v", err)
	}
	if err := NewOutput(&full{closed: errClose}).Close(); !errors.Is(err, errClose) {
		t.Errorf("an error of closing is lost: %v", err)
	}
	if err := NewOutput(new(bytes.Buffer)).Close(); err != nil {
		t.Error(err)
	}
}

func TestLostOutputIsAFailureUnlessSomethingIsWorse(t *testing.T) {
	for before, want := range map[Status]Status{OK: Failed, Partial: Failed, Violated: Violated, Failed: Failed, Missed: Missed} {
		var talk bytes.Buffer
		console := &Console{Stdout: NewOutput(&full{}), Stderr: &talk}
		_, _ = io.WriteString(console.Stdout, "result")
		if got := console.settle(before); got != want {
			t.Errorf("status %d becomes %d, want %d", before, got, want)
		}
		if !strings.Contains(talk.String(), "stdout: no room: not all of the result was written") {
			t.Errorf("said: %q", talk.String())
		}
	}
}

func TestSideFileIsThereOnlyIfItIsUsed(t *testing.T) {
	folder := t.TempDir()
	old, fresh, used := filepath.Join(folder, "old"), filepath.Join(folder, "fresh"), filepath.Join(folder, "used")
	for _, path := range []string{old, used} {
		if err := os.WriteFile(path, []byte("what was there before"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var talk bytes.Buffer
	console := &Console{Stdout: NewOutput(new(bytes.Buffer)), Stderr: &talk}
	for _, path := range []string{old, fresh, used} {
		file, err := console.SideFile("--save", path)
		if err != nil {
			t.Fatal(err)
		}
		if path == used {
			_, _ = io.WriteString(file, "new")
		}
	}
	if _, err := console.SideFile("--save", filepath.Join(folder, "no", "where")); err == nil || !strings.HasPrefix(err.Error(), "--save "+folder) {
		t.Errorf("error %v", err)
	}
	if _, err := console.SideFile("--trace", used); err == nil || !strings.Contains(err.Error(), "--trace "+used+": it is the file of --save "+used+" too") {
		t.Errorf("one file for two: error %v", err)
	}
	if status := console.settle(OK); status != OK || talk.Len() > 0 {
		t.Errorf("status %d, said %q", status, talk.String())
	}
	if _, err := os.Stat(fresh); !errors.Is(err, os.ErrNotExist) {
		t.Error("a file was left to which nothing was written")
	}
	for path, want := range map[string]string{old: "what was there before", used: "new"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", path, got, err)
		}
	}
}
