// Command chatterbox is a leaderless, totally ordered broadcast: members of a
// cluster broadcast to one another, any link may fail, and when links heal
// every member holds the same log in the same order.
//
// There is a file for each command. [commands] is the grammar; what commands
// have in common is in package cli: the types of flags, where a command talks
// to, and how it ends.
package main

import (
	"os"
	"runtime/debug"

	"chatterbox/internal/cli"
)

// commands is the grammar of the command line: a field for each command.
type commands struct {
	Demo       demoCommand       `cmd:"" help:"Watch five members broadcast, lose a link, heal and agree."`
	Node       nodeCommand       `cmd:"" help:"Run one member: send for a while, wait for a while, print (COUNT,SCORE)."`
	Cluster    clusterCommand    `cmd:"" help:"Run a whole cluster as real processes on this machine, and break it by a failure map."`
	Serve      serveCommand      `cmd:"" help:"Run one member until it is stopped, and serve it over HTTP."`
	Send       sendCommand       `cmd:"" help:"Put entries into the log, through a served member."`
	Tail       tailCommand       `cmd:"" help:"Read the log, from a served member."`
	Status     statusCommand     `cmd:"" help:"Show the state of a served member, and what it knows of the others."`
	Members    membersCommand    `cmd:"" help:"Show who belongs to the cluster, let a member leave, and go on without one that is gone."`
	Top        topCommand        `cmd:"" help:"Watch a served member live: rates, who is not heard, who holds settling up."`
	Backup     backupCommand     `cmd:"" help:"Write what has settled to a file, from a running member or a folder."`
	Restore    restoreCommand    `cmd:"" help:"Make the data folder of a member of a new cluster from a backup."`
	Verify     verifyCommand     `cmd:"" help:"Compare what has settled at members, in folders and in backups."`
	Fsck       fsckCommand       `cmd:"" help:"Read all of a data folder, name each damage, and mend what can be mended."`
	Bench      benchCommand      `cmd:"" help:"Measure how fast a cluster orders entries, beside what this machine can carry at all."`
	Maelstrom  maelstromCommand  `cmd:"" help:"Run one member behind Maelstrom's JSON lines on stdin and stdout."`
	Sim        simCommand        `cmd:"" help:"Run clusters in virtual time from a seed, with everything failing, and check every promise."`
	Replay     replayCommand     `cmd:"" help:"Play a trace on a page in the browser."`
	Check      checkCommand      `cmd:"" help:"Judge the trace of a simulated or real cluster."`
	Diagram    diagramCommand    `cmd:"" help:"Draw what happened in a simulated or real cluster: who sent what to whom, and when it settled."`
	Compare    compareCommand    `cmd:"" help:"Set protocols side by side under failure maps: what they agree on, how soon, and what it costs."`
	Keys       keysCommand       `cmd:"" help:"Make the keys of a cluster, with which the links between its members are encrypted."`
	Completion completionCommand `cmd:"" help:"Print the completion script for a shell."`
	Version    versionCommand    `cmd:"" help:"Print the version."`

	BenchMember benchMemberCommand `cmd:"" hidden:"" help:"One member of a measurement."`
}

func main() {
	// A panic ends the program by SIGABRT, like a crash of any other program.
	// The runtime's own status for it is 2, which here says that something is
	// missing only.
	debug.SetTraceback("crash")
	cli.KeepBrokenPipes()
	program := cli.Program{
		Name:        "chatterbox",
		Description: "Leaderless, totally ordered broadcast.\n\nStart with: chatterbox demo",
	}
	os.Exit(program.Main(&commands{}, os.Args[1:], cli.NewConsole(os.Stdin, os.Stdout, os.Stderr, os.Getenv)))
}
