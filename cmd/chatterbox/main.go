// Command chatterbox is a leaderless, totally ordered broadcast: members of a
// cluster broadcast to one another, any link may fail, and when links heal
// every member holds the same log in the same order.
//
// There is a file for each command. [commands] is the grammar, a flag's type
// says what is allowed, and [console] is where a command talks to: data goes
// to stdout, talk to stderr, progress only to a terminal.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], newConsole(os.Stdin, os.Stdout, os.Stderr, os.Getenv)))
}
