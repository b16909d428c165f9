package maelstrom

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	linesWaitingMax = 256      // lines that were read and not taken in yet
	readBytes       = 64 << 10 // asked of stdin at once
)

// Run drives a node: it takes lines of any length from in and writes lines to
// out, until in ends, which is no error, or the context does. cfg.Send is its
// own affair. It starts one goroutine, which reads, and ends with in.
func Run(ctx context.Context, cfg Config, in io.Reader, out io.Writer) error {
	writer := bufio.NewWriter(out)
	cfg.Send = func(line []byte) {
		_, _ = writer.Write(line) // Flush tells the error
		_ = writer.WriteByte('\n')
	}
	d := loop{node: New(cfg), started: time.Now(), out: writer, lines: make(chan []byte, linesWaitingMax)}
	stop := make(chan struct{})
	defer close(stop)
	var failed error // written before lines is closed
	go func() {
		defer close(d.lines)
		failed = readLines(in, d.lines, stop)
	}()
	if err := d.run(ctx); err != nil {
		return err
	}
	return failed
}

// readLines passes lines on until in ends or nobody takes them any more. A
// last line without a newline counts.
func readLines(in io.Reader, lines chan<- []byte, stop <-chan struct{}) error {
	reader := bufio.NewReaderSize(in, readBytes)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			select {
			case lines <- line:
			case <-stop:
				return nil
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("maelstrom: read stdin: %w", err)
		}
	}
}

// loop is what drives a node in real time.
type loop struct {
	node    *Node
	started time.Time
	out     *bufio.Writer
	lines   chan []byte
}

func (d *loop) now() time.Duration { return time.Since(d.started) }

// run hands lines and wake-ups to the node, and writes what that gave when
// nothing more waits.
func (d *loop) run(ctx context.Context) error {
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for open := true; open; {
		select {
		case line, ok := <-d.lines:
			open = ok
			d.take(line)
		case <-alarm.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		d.node.Wake(d.now())
		if due, ok := d.node.Due(); ok {
			alarm.Reset(due - d.now())
		}
		if len(d.lines) > 0 && d.out.Buffered() < readBytes {
			continue
		}
		if err := d.out.Flush(); err != nil {
			return fmt.Errorf("maelstrom: write stdout: %w", err)
		}
	}
	return nil
}

func (d *loop) take(line []byte) {
	if len(line) > 0 {
		d.node.Receive(d.now(), line)
	}
}
