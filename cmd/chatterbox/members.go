package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatterbox/internal/cli"
	"chatterbox/internal/serve"
	"chatterbox/internal/serve/client"
	"chatterbox/internal/show/board"
)

// membersCommand shows who belongs to the cluster, and changes it.
type membersCommand struct {
	remote
	Action cli.Choice  `arg:"" optional:"" oneof:"evict,leave,move,return,replace,orphans" help:"evict: go on without a member. replace: a member whose folder is lost begins anew. return: the evicted member at --http comes back. leave: the member at --http goes for good. move: a member has another address. orphans: print what is left of an evicted member's entries that will never settle."`
	Name   string      `arg:"" optional:"" help:"The member that it is about."`
	More   []string    `arg:"" optional:"" name:"address" help:"Where a member that moves is dialed, HOST:PORT; or with --force who else is evicted."`
	Wait   cli.Seconds `default:"30" help:"How long to wait for the decision. A bare number is seconds."`
	Heard  bool        `name:"even-if-heard" help:"Evict a member although it is heard: while it runs it comes back."`
	Force  bool        `name:"force" help:"Evict without a quorum, when none is left for good."`
	Lose   bool        `name:"lose-what-only-it-has" help:"Said with --force: what only the evicted members have is lost."`
	JSON   bool        `name:"json" help:"Print the member's answer as a JSON object instead; of orphans one a line."`
}

// Help shows how to use the command.
func (membersCommand) Help() string {
	return `Without an action it shows who belongs to the cluster, and how many may fail. With one it asks the member at --http for a change and waits until that is decided: exit status 0; 2 if it is not decided after --wait, when it may still come; 3 if it is refused, with who is missing.

evict goes on without a member that is gone for good: settling goes on at once. What it had accepted and no other member holds does not settle before it comes back. A member that is heard is not evicted without --even-if-heard, for it would come back at once. It takes a quorum of all members, the evicted one included: 2 of 3, 3 of 5.

evict --force is for when a quorum is gone for good: 2 of 3, or 1 of 2. Ask one of those who are left, and name all who are gone; it is refused while a quorum is heard, or one that is not named is not heard. Those who are left go on from what they hold. What only the evicted had is lost, also if it had settled among them; nothing that settled is lost of two members. --lose-what-only-it-has says that you know. The evicted must never run again with their folders: one that does, and had shown more than those who went on hold, stays in a history of its own, and says so.

return is asked of the evicted member itself, which needs the folder that it had: a member that serves asks by itself, at a start or when it learns that it was evicted. What it had accepted alone settles then, once, before anything new.

replace has a member whose folder is lost begin anew: start it with an empty folder, under its name, and ask another member. The old one is evicted if it still counts; the new one has its place, and writes once it has caught up. What only the lost folder had is lost. With --evict-after at the members all of this goes by itself.

leave is asked of the member itself: it takes no more entries, waits until what it accepted has settled, has the others go on without it, and ends. Nothing is lost.

move has the others dial a member at another address, also after restarts. Start it there with its folder, the same --host and --port as before, by which it is found in the member list, and --listen with the new address.

orphans prints what the member at --http has in its folder of an evicted member's entries that will never settle, one a line as tail does, with - as position. The evicted member itself has all of them.

Examples:

    chatterbox members --http 127.0.0.1:8000
    chatterbox members evict c --http 127.0.0.1:8000
    chatterbox members evict b c --force --lose-what-only-it-has --http 127.0.0.1:8000
    chatterbox members replace c --http 127.0.0.1:8000
    chatterbox members leave c --http 127.0.0.1:8002
    chatterbox members move c 10.0.0.9:3000 --http 127.0.0.1:8000`
}

// Contradictions finds an action without a name.
func (c *membersCommand) Contradictions(wrong *cli.Mistakes) {
	switch action := c.Action.Value; {
	case c.Action.Mistake() != "":
	case action != "" && c.Name == "":
		wrong.Addf("%s: name the member", action)
	case action != "evict" && (c.Force || c.Lose):
		wrong.Addf("--force and --lose-what-only-it-has are for evict")
	case c.Force && !c.Lose:
		wrong.Addf("--force goes on without a quorum from what those who are left hold: what only %s had is lost for ever, also if it had settled with others that are gone, "+
			"and none of them may run again with its folder; if that is what you want say --lose-what-only-it-has too", strings.Join(c.names(), " and "))
	case c.Lose && !c.Force:
		wrong.Addf("--lose-what-only-it-has is said with --force")
	case action == "move" && len(c.More) == 0:
		wrong.Addf("move %s: say where to, as HOST:PORT", c.Name)
	case action == "move" && len(c.More) > 1, action != "move" && !c.Force && len(c.More) > 0:
		wrong.Addf("%s %s %q: there is an address too many", action, c.Name, c.More[len(c.More)-1])
	}
}

// names returns the members that it is about.
func (c *membersCommand) names() []string { return append([]string{c.Name}, c.More...) }

// request returns what the member is asked for.
func (c *membersCommand) request() serve.ChangeRequest {
	r := serve.ChangeRequest{Action: c.Action.Value, Name: c.Name, Force: c.Force}
	switch {
	case c.Force:
		r.Also = c.More
	case len(c.More) > 0:
		r.Address = c.More[0]
	}
	return r
}

// Run shows, or asks and waits.
func (c *membersCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	of, err := c.client()
	if err != nil {
		return err
	}
	switch c.Action.Value {
	case "":
	case "orphans":
		return explained(ctx, of.Orphans(ctx, c.Name, printEntries(console, c.JSON)))
	default:
		return explained(ctx, c.change(ctx, console, of))
	}
	ctx, cancel := context.WithTimeout(ctx, statusWithin)
	defer cancel()
	members, err := of.Members(ctx)
	if err != nil {
		return explained(ctx, err)
	}
	c.print(console, &members)
	return nil
}

func (c *membersCommand) print(console *cli.Console, members *serve.Membership) {
	if c.JSON {
		console.JSON(members)
		return
	}
	for _, line := range board.MemberLines(console.Out, members) {
		fmt.Fprintln(console.Stdout, line)
	}
}

// change asks for a change and waits for the decision.
func (c *membersCommand) change(ctx context.Context, console *cli.Console, of *client.Client) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Wait.Duration+answerWithin, errUndecided)
	defer cancel()
	until := time.Now().Add(c.Wait.Duration)
	if err := c.spare(ctx, of); err != nil {
		return err
	}
	answer, err := of.Change(ctx, c.request())
	if err == nil && answer.Decided && c.Action.Value == "leave" {
		return c.left(console, &answer)
	}
	var members serve.Membership
	for err == nil {
		if members, err = of.Members(ctx); err != nil || answer.Decided || c.isDone(&members) {
			break
		}
		if !time.Now().Before(until) {
			err = errUndecided
			break
		}
		select {
		case <-time.After(decisionEvery):
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if refusal := (*client.Refusal)(nil); errors.As(err, &refusal) && refusal.IsConflict() {
		return fmt.Errorf("refused: %s", refusal.Text)
	}
	if err != nil && (errors.Is(err, errUndecided) || errors.Is(context.Cause(ctx), errUndecided)) {
		console.Notef("not decided within %s; it may still come: chatterbox members --http %s", c.Wait, c.HTTP.Value)
		return cli.Partial
	}
	if err == nil {
		c.print(console, &members)
		c.state(console, &members)
	}
	return err
}

// state says what is lost by force.
func (c *membersCommand) state(console *cli.Console, members *serve.Membership) {
	if !c.Force {
		return
	}
	for _, kept := range members.Forced {
		if slices.Contains(c.names(), kept.Name) {
			console.Notef("%s: its first %d entries are in the order; any later one is lost, also if it had settled", kept.Name, kept.Entries)
		}
	}
	console.Notef("%s must never run again with the folder that it had: with an empty one it joins anew. One that runs all the same comes back if those who went on have all that it may have shown; else it stays in a history of its own, and says so",
		strings.Join(c.names(), ", "))
}

var errUndecided = errors.New("not decided")

// spare refuses to evict a member that is heard, as by a slip of the keyboard: it
// cannot be taken back.
func (c *membersCommand) spare(ctx context.Context, of *client.Client) error {
	if c.Action.Value != "evict" || c.Heard || c.Force {
		return nil
	}
	members, err := of.Members(ctx)
	if err != nil {
		return err
	}
	for i := range members.Members {
		if m := &members.Members[i]; m.Name == c.Name && m.Trouble == "" && m.Heard != nil && *m.Heard < heardFor.Seconds() {
			return fmt.Errorf("refused: %s is heard, and would come back at once: have it leave instead (chatterbox members leave %[1]s --http, at its address), or say --even-if-heard", c.Name)
		}
	}
	return nil
}

// heardFor is how long a member counts as heard after it was.
const heardFor = time.Second

// left prints that the member that was asked has left, and can be asked no more.
func (c *membersCommand) left(console *cli.Console, answer *serve.Changed) error {
	if c.JSON {
		console.JSON(answer)
		return nil
	}
	fmt.Fprintf(console.Stdout, "%s has left: view %d is without it, and all that it accepted has settled\n", c.Name, answer.View)
	return nil
}

const (
	// decisionEvery is how often it is asked whether a change is decided.
	decisionEvery = 200 * time.Millisecond
	// answerWithin is how long an answer may take besides.
	answerWithin = 2 * time.Second
)

// isDone reports whether the members are as was asked for.
func (c *membersCommand) isDone(members *serve.Membership) bool {
	for i := range members.Members {
		m := &members.Members[i]
		switch {
		case m.Name == c.Name:
			return c.Action.Value == "return" || c.Action.Value == "move" && m.Address == c.More[0]
		case c.Force && slices.Contains(c.More, m.Name):
			return false
		}
	}
	return c.Action.Value != "move" && c.Action.Value != "return" && c.Action.Value != "replace"
}
