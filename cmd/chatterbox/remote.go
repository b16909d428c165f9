package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"chatterbox"
	"chatterbox/internal/cli"
	"chatterbox/internal/serve/client"
	"chatterbox/internal/show/board"
)

// remote are the flags of commands that ask a member over HTTP.
type remote struct {
	HTTP      cli.Text `name:"http" required:"" placeholder:"ADDR" help:"Where the member serves HTTP, as serve printed it."`
	HTTPToken cli.Text `name:"http-token" placeholder:"FILE" help:"File with the bearer token."`
}

const tokenFileBytesMax = 64 << 10

// client returns what talks to the member.
func (r *remote) client() (*client.Client, error) {
	token := ""
	if r.HTTPToken.Value != "" {
		file, err := os.Open(r.HTTPToken.Value)
		if err != nil {
			return nil, fmt.Errorf("--http-token: %w", err)
		}
		defer file.Close() //nolint:errcheck // only read
		text, err := io.ReadAll(io.LimitReader(file, tokenFileBytesMax))
		if err != nil {
			return nil, fmt.Errorf("--http-token: %w", err)
		}
		words := strings.Fields(string(text))
		if len(words) == 0 {
			return nil, fmt.Errorf("--http-token %s: there is no token in it", r.HTTPToken.Value)
		}
		token = words[len(words)-1]
	}
	c, err := client.New(r.HTTP.Value, token)
	if err != nil {
		return nil, fmt.Errorf("--http: %w", err)
	}
	return c, nil
}

// explained returns the error, and only that the command was interrupted where that
// is all there is.
func explained(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), cli.ErrInterrupted) {
		return cli.ErrInterrupted
	}
	return err
}

// sendCommand puts entries into the log.
type sendCommand struct {
	remote
	Texts []string `arg:"" optional:"" name:"text" help:"Entries, one an argument; without any, each line of stdin is one."`
}

// Help shows how to use the command.
func (sendCommand) Help() string {
	return `Prints ORIGIN/SEQ for each entry once it is accepted. Exit status: 0 if all were.

Examples:

    chatterbox send --http 127.0.0.1:8000 hello
    ls | chatterbox send --http 127.0.0.1:8000`
}

// Run sends.
func (c *sendCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	to, err := c.client()
	if err != nil {
		return err
	}
	accepted := func(id chatterbox.ID) { fmt.Fprintln(console.Stdout, id) }
	_, done, err := cli.Until(ctx, func() (struct{}, error) {
		return struct{}{}, to.Send(ctx, c.next(console.Stdin), accepted)
	})
	if !done {
		return cli.ErrInterrupted
	}
	return explained(ctx, err)
}

// next returns what returns the payloads one by one.
func (c *sendCommand) next(stdin io.Reader) func() ([]byte, error) {
	if len(c.Texts) > 0 {
		left := c.Texts
		return func() ([]byte, error) {
			if len(left) == 0 {
				return nil, nil
			}
			text := left[0]
			left = left[1:]
			return []byte(text), nil
		}
	}
	lines := bufio.NewReader(stdin)
	return func() ([]byte, error) {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		return append([]byte{}, line...), nil
	}
}

// tailCommand reads the log.
type tailCommand struct {
	remote
	From      cli.Whole `default:"1" help:"The first position that is wanted."`
	Follow    bool      `short:"f" help:"Go on with what comes later, until interrupted."`
	Tentative bool      `help:"Also entries that are held and have not settled; their position is shown as -."`
	JSON      bool      `name:"json" help:"Print one JSON object a line instead."`
}

// Help shows how to use the command.
func (tailCommand) Help() string {
	return `Prints POSITION, ORIGIN/SEQ and the payload of each entry, in order, with tabs between; control characters in it are shown as escapes, --json is exact. Without --follow it ends at the present frontier.

Examples:

    chatterbox tail --http 127.0.0.1:8000
    chatterbox tail --http 127.0.0.1:8000 --from 1000 --follow`
}

// Run reads.
func (c *tailCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	from, err := c.client()
	if err != nil {
		return err
	}
	read := client.Read{From: c.From.Value, Follow: c.Follow, Tentative: c.Tentative}
	return explained(ctx, from.Entries(ctx, read, printEntries(console, c.JSON)))
}

// printEntries returns what prints an entry a line, until nobody takes them.
func printEntries(console *cli.Console, asJSON bool) func(e *chatterbox.Entry, text []byte) bool {
	var line []byte
	return func(e *chatterbox.Entry, text []byte) bool {
		if asJSON {
			line = append(line[:0], text...)
		} else {
			place := "-"
			if e.Position > 0 {
				place = fmt.Sprint(e.Position)
			}
			line = appendShown(fmt.Appendf(line[:0], "%s\t%s\t", place, e.ID), e.Payload)
		}
		_, wrong := console.Stdout.Write(append(line, '\n'))
		return wrong == nil
	}
}

// appendShown writes a payload on one line: control characters, which could end
// the line or drive the terminal, and bytes that are no UTF-8 as escapes.
func appendShown(line, payload []byte) []byte {
	for len(payload) > 0 {
		r, size := utf8.DecodeRune(payload)
		switch {
		case r == utf8.RuneError && size == 1:
			line = fmt.Appendf(line, "\\x%02x", payload[0])
		case unicode.IsControl(r) && r != '\t':
			quoted := strconv.QuoteRune(r)
			line = append(line, quoted[1:len(quoted)-1]...)
		default:
			line = append(line, payload[:size]...)
		}
		payload = payload[size:]
	}
	return line
}

// statusCommand shows how a member is.
type statusCommand struct {
	remote
	JSON bool `name:"json" help:"Print the member's answer as a JSON object instead."`
}

// Run asks and prints.
func (c *statusCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	ctx, cancel := context.WithTimeout(ctx, statusWithin)
	defer cancel()
	from, err := c.client()
	if err != nil {
		return err
	}
	status, err := from.Status(ctx)
	if err != nil {
		return explained(ctx, err)
	}
	if c.JSON {
		console.JSON(status)
		return nil
	}
	for _, line := range board.StatusLines(console.Out, &status) {
		fmt.Fprintln(console.Stdout, line)
	}
	return nil
}

// statusWithin is how long a member may take to say how it is.
const statusWithin = 5 * time.Second
