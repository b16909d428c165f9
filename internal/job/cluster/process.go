package cluster

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"chatterbox/internal/job"
)

const (
	// lineBytesMax bounds a line that a child writes.
	lineBytesMax = 1 << 20
	// outputBytesMax bounds what a child's stdout may come to.
	outputBytesMax = 4 << 20
	// ReportFD is the file descriptor on which a child finds the pipe for its
	// progress.
	ReportFD = 3
	// WatchFD is that of the pipe for the events that happen to it, if the
	// cluster is watched.
	WatchFD = 4
	// ChangeFD is that of the pipe from which lines of a failure map come.
	ChangeFD = 5
)

// process is one life of a member: a child and what it has said.
type process struct {
	command *exec.Cmd
	stdout  limitedBuffer
	tails   [2]chan struct{} // closed at the end of stderr and of the reports
	reports *os.File         // our end of the pipe
	changes *os.File         // likewise; nil if nobody watches
}

// listener is told what children say while they run. Calls come from several
// goroutines.
type listener struct {
	progress func(job.Progress)
	line     func(string)
	watch    func(io.ReadCloser) // gets the pipe with the events; nil: nobody watches
}

// start runs the executable with the arguments in the environment.
func start(executable string, arguments []string, to listener, environment []string) (*process, error) {
	reports, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cluster: pipe for reports: %w", err)
	}
	defer theirs.Close() //nolint:errcheck // the child has its own
	p := &process{command: exec.Command(executable, arguments...), reports: reports}
	p.command.ExtraFiles = []*os.File{theirs}
	if to.watch != nil {
		done, err := p.watched(to.watch)
		if err != nil {
			_ = reports.Close()
			return nil, err
		}
		defer done()
	}
	p.command.SysProcAttr = ChildAttributes()
	p.command.Stdout = &p.stdout
	// A panic shall end it by a signal, also before it can ask for that: the
	// runtime's own status is that of a tuple in which something is missing.
	p.command.Env = append(environment, "GOTRACEBACK=crash")
	talk, err := p.command.StderrPipe()
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		_ = reports.Close()
		return nil, fmt.Errorf("cluster: start %s: %w", executable, err)
	}
	p.tails = [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	go eachLine(talk, p.tails[0], func(line []byte) { to.line(string(line)) })
	go eachLine(reports, p.tails[1], func(line []byte) {
		var progress job.Progress
		if json.Unmarshal(line, &progress) == nil {
			to.progress(progress)
		}
	})
	return p, nil
}

// watched adds the pipes by which the child is watched and changed. The
// function closes the child's ends once it has its own.
func (p *process) watched(watch func(io.ReadCloser)) (done func(), err error) {
	events, theirEvents, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cluster: pipe for events: %w", err)
	}
	theirChanges, changes, err := os.Pipe()
	if err != nil {
		_, _ = events.Close(), theirEvents.Close()
		return nil, fmt.Errorf("cluster: pipe for changes: %w", err)
	}
	p.command.ExtraFiles = append(p.command.ExtraFiles, theirEvents, theirChanges)
	p.changes = changes
	watch(events)
	return func() { _, _ = theirEvents.Close(), theirChanges.Close() }, nil
}

// changeTimeout is how long a child's full pipe is waited for. It holds a
// thousand lines.
const changeTimeout = 100 * time.Millisecond

// change sends the child a line of a failure map.
func (p *process) change(line string) error {
	_ = p.changes.SetWriteDeadline(time.Now().Add(changeTimeout))
	_, err := io.WriteString(p.changes, line+"\n")
	return err
}

// eachLine hands over lines until the other end is closed.
func eachLine(r io.Reader, done chan<- struct{}, hand func([]byte)) {
	defer close(done)
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, lineBytesMax)
	for scanner.Scan() {
		hand(scanner.Bytes())
	}
	_, _ = io.Copy(io.Discard, r) // after a line that is too long
}

// wait waits for the end of the process and gives its exit status: as a shell
// does, 128 and the signal if one killed it.
func (p *process) wait() int {
	<-p.tails[0]
	<-p.tails[1]
	_ = p.reports.Close()
	if p.changes != nil {
		_ = p.changes.Close()
	}
	err := p.command.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return exitFailed
	}
	if state, ok := p.command.ProcessState.Sys().(syscall.WaitStatus); ok && state.Signaled() {
		return exitSignal + int(state.Signal())
	}
	return p.command.ProcessState.ExitCode()
}

// signal sends a signal; a process that has ended already needs none.
func (p *process) signal(signal os.Signal) { _ = p.command.Process.Signal(signal) }

// outcome reads the line that the process printed, nil if there is none.
func (p *process) outcome() *job.Outcome {
	line, _, _ := bytes.Cut(p.stdout.kept.Bytes(), []byte("\n"))
	var outcome job.Outcome
	if len(line) == 0 || json.Unmarshal(line, &outcome) != nil {
		return nil
	}
	return &outcome
}

// limitedBuffer keeps the first outputBytesMax bytes, and when the last came.
type limitedBuffer struct {
	kept bytes.Buffer
	at   time.Time
}

// Write never fails: what is too much is dropped.
func (b *limitedBuffer) Write(data []byte) (int, error) {
	b.at = time.Now()
	b.kept.Write(data[:min(len(data), outputBytesMax-b.kept.Len())])
	return len(data), nil
}
