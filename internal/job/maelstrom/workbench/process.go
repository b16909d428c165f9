package workbench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

const (
	heardMax  = 4096            // lines of nodes that wait for the bench
	toldMax   = 4096            // lines that wait for a node
	endWait   = 5 * time.Second // how long a node has to end when its stdin ends
	stderrMax = 4 << 10         // bytes of a node's last words
)

// processes is a world of real processes with pipes, in real time. For each
// one there is a goroutine that reads its stdout and one that writes to its
// stdin; the bench alone owns everything else.
type processes struct {
	context context.Context
	bench   *bench
	program []string
	started time.Time
	nodes   []*process
	heard   chan heard
}

// heard is a line that a node wrote.
type heard struct {
	from *process
	line []byte
}

// process is one life of a node.
type process struct {
	id     int
	cmd    *exec.Cmd
	told   chan []byte   // lines for it; closed when it shall end
	read   chan struct{} // closed when its stdout has ended
	stderr bytes.Buffer
}

func newProcesses(ctx context.Context, b *bench, program []string) *processes {
	return &processes{
		context: ctx, bench: b, program: program, started: time.Now(),
		nodes: make([]*process, b.cfg.Nodes), heard: make(chan heard, heardMax),
	}
}

func (p *processes) start(id int) error {
	n := &process{id: id, told: make(chan []byte, toldMax), read: make(chan struct{})}
	n.cmd = exec.CommandContext(p.context, p.program[0], p.program[1:]...)
	n.cmd.Stderr = &n.stderr
	stdin, err := n.cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := n.cmd.Start(); err != nil {
		return err
	}
	p.nodes[id] = n
	go n.listen(stdout, p.heard)
	go n.talk(stdin)
	return nil
}

// listen passes on what the process writes, until it ends.
func (n *process) listen(stdout io.Reader, to chan<- heard) {
	defer close(n.read)
	reader := bufio.NewReader(stdout)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return // what follows the last newline is no line
		}
		to <- heard{n, bytes.TrimSuffix(line, []byte("\n"))}
	}
}

// talk writes what the process is told. Who was killed does not listen.
func (n *process) talk(stdin io.WriteCloser) {
	defer stdin.Close() //nolint:errcheck // the process may be gone
	for line := range n.told {
		_, _ = stdin.Write(append(line, '\n'))
	}
}

func (p *processes) kill(id int) {
	n := p.nodes[id]
	p.nodes[id] = nil
	_ = n.cmd.Process.Kill() // it may have ended by itself
	close(n.told)
	p.drain(n)
	_ = n.cmd.Wait() // killed
}

// drain throws away what a process still says, until it is silent: what others
// say meanwhile is kept.
func (p *processes) drain(n *process) {
	for {
		select {
		case <-n.read:
			return
		case h := <-p.heard:
			p.take(h)
		}
	}
}

func (p *processes) pause(id int, on bool) {
	signal := syscall.SIGCONT
	if on {
		signal = syscall.SIGSTOP
	}
	if n := p.nodes[id]; n != nil {
		_ = n.cmd.Process.Signal(signal) // it may have ended by itself
	}
}

func (p *processes) deliver(id int, line []byte) {
	n := p.nodes[id]
	if n == nil {
		return
	}
	select {
	case n.told <- bytes.Clone(line):
	default:
		p.bench.trouble("%s does not read: %d lines wait for it", p.bench.names[id], toldMax)
	}
}

func (p *processes) wait(until time.Duration) time.Duration {
	alarm := time.NewTimer(until - time.Since(p.started))
	defer alarm.Stop()
	select {
	case h := <-p.heard:
		p.take(h)
	case <-alarm.C:
	case <-p.context.Done():
	}
	return time.Since(p.started)
}

// take routes a line of a life that is not over.
func (p *processes) take(h heard) {
	if p.nodes[h.from.id] == h.from {
		p.bench.now = max(p.bench.now, time.Since(p.started))
		p.bench.route(h.from.id, h.line)
	}
}

// close ends all nodes by the end of their stdin, and demands that they end
// well.
func (p *processes) close() error {
	for _, n := range p.nodes {
		if n != nil {
			p.pause(n.id, false)
			close(n.told)
		}
	}
	var wrong error
	for id, n := range p.nodes {
		if n == nil {
			continue
		}
		killer := time.AfterFunc(endWait, func() { _ = n.cmd.Process.Kill() })
		p.nodes[id] = nil
		p.drain(n)
		err := n.cmd.Wait()
		killer.Stop()
		if err != nil {
			words := n.stderr.Bytes()
			wrong = errors.Join(wrong, fmt.Errorf("%s did not end well: %w; it said: %s",
				p.bench.names[id], err, words[max(0, len(words)-stderrMax):]))
		}
	}
	return wrong
}
