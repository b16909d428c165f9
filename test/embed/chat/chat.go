// Command chat is a room in which everybody sees the same lines in the same
// order, also those that were written while the network was broken.
//
//	chat -name ann -members ann=127.0.0.1:7001,bob=127.0.0.1:7002
//
// A line is shown with three dots as soon as it has arrived, and without them,
// in its place, once it has settled.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"chatterbox"
)

func main() {
	name := flag.String("name", "", "who you are")
	members := flag.String("members", "", "who takes part: name=host:port, with commas between them, the same everywhere")
	dir := flag.String("dir", "", "folder for what was said; without one it is forgotten")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cfg := chatterbox.Config{Name: *name, Members: parse(*members), Dir: *dir, Volatile: *dir == ""}
	node, err := chatterbox.Open(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		defer stop()
		if err := speak(ctx, node, os.Stdin); err != nil {
			log.Print(err)
		}
	}()
	if err := listen(ctx, node, os.Stdout); err != nil {
		log.Print(err)
	}
	farewell, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := node.Close(farewell); err != nil {
		log.Fatal(err)
	}
}

func parse(text string) (members []chatterbox.Member) {
	for _, member := range strings.Split(text, ",") {
		name, address, _ := strings.Cut(member, "=")
		members = append(members, chatterbox.Member{Name: name, Address: address})
	}
	return members
}

// speak says each line of in.
func speak(ctx context.Context, node *chatterbox.Node, in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if lines.Text() == "" {
			continue
		}
		if _, err := node.Broadcast(ctx, lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// listen shows what is said until ctx ends.
func listen(ctx context.Context, node *chatterbox.Node, out io.Writer) error {
	for entry, err := range node.Watch(ctx, 0) {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		dots := ""
		if entry.Position == 0 {
			dots = " ..."
		}
		if _, err := fmt.Fprintf(out, "%s: %s%s\n", entry.ID.Origin, entry.Payload, dots); err != nil {
			return err
		}
	}
	return nil
}
