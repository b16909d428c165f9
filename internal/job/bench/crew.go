package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	processes "chatterbox/internal/job/cluster"
)

// crew is the processes of one measurement, one a member.
type crew struct {
	members []*process
}

type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Reader
	place int
}

// start starts the processes and learns their addresses. command is the
// program and arguments that end up in Member.
func (c *crew) start(ctx context.Context, command []string, members int) (addrs []string, err error) {
	for place := range members {
		h := &process{cmd: exec.CommandContext(ctx, command[0], command[1:]...), place: place} //nolint:gosec // our own program
		h.cmd.Stderr = os.Stderr
		h.cmd.SysProcAttr = processes.ChildAttributes()
		h.cmd.Env = processes.ChildEnvironment(members)
		if h.in, err = h.cmd.StdinPipe(); err != nil {
			return nil, err
		}
		out, err := h.cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		h.lines = bufio.NewReaderSize(out, 1<<20)
		if err := h.cmd.Start(); err != nil {
			return nil, fmt.Errorf("bench: start member %d: %w", place, err)
		}
		c.members = append(c.members, h)
		addr, err := h.line()
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// stop ends what still runs.
func (c *crew) stop() {
	for _, h := range c.members {
		_ = h.in.Close()
		_ = h.cmd.Process.Kill()
		_ = h.cmd.Wait()
	}
}

func (h *process) line() (string, error) {
	line, err := h.lines.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("bench: member %d ended early: %w", h.place, err)
	}
	return strings.TrimSpace(line), nil
}

// measure hands every member its load, lets all pass each barrier at once, and
// gathers what they measured. It calls begun when the measurement begins.
func (c *crew) measure(load Load, begun func()) ([]Result, error) {
	for _, h := range c.members {
		load.Self = h.place
		if err := h.tell(load); err != nil {
			return nil, err
		}
	}
	results, measuring := make([]Result, len(c.members)), slices.Clone(c.members)
	for first := true; len(measuring) > 0; first = false {
		var waiting []*process
		for _, h := range measuring {
			line, err := h.line()
			switch {
			case err != nil:
				return nil, err
			case line == atBarrier:
				waiting = append(waiting, h)
			default:
				if results[h.place], err = h.result(line); err != nil {
					return nil, err
				}
			}
		}
		if first {
			begun()
		}
		for _, h := range waiting {
			if _, err := io.WriteString(h.in, "go\n"); err != nil {
				return nil, fmt.Errorf("bench: member %d: %w", h.place, err)
			}
		}
		measuring = waiting
	}
	return results, nil
}

// result reads what a member measured, or why it could not.
func (h *process) result(line string) (result Result, err error) {
	if err := json.Unmarshal([]byte(line), &result); err != nil {
		return result, fmt.Errorf("bench: result of member %d: %w", h.place, err)
	}
	if result.Error != "" {
		return result, fmt.Errorf("bench: member %d: %s", h.place, result.Error)
	}
	return result, nil
}

func (h *process) tell(load Load) error {
	line, err := json.Marshal(load)
	if err != nil {
		return err
	}
	if _, err := h.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("bench: member %d: %w", h.place, err)
	}
	return nil
}
