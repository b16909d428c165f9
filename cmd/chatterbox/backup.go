package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"chatterbox/internal/backup"
	"chatterbox/internal/cli"
	"chatterbox/internal/core/member"
	"chatterbox/internal/serve/client"
	"chatterbox/internal/term"
	"chatterbox/internal/world/journal"
)

// backupCommand writes what has settled to a file.
type backupCommand struct {
	File      cli.Text `arg:"" name:"file" help:"The file; one that is there is replaced once the new one is whole."`
	HTTP      cli.Text `name:"http" placeholder:"ADDR" help:"Where a running member serves HTTP."`
	HTTPToken cli.Text `name:"http-token" placeholder:"FILE" help:"File with the bearer token."`
	DataDir   cli.Text `placeholder:"DIR" help:"Data folder of a member instead, which may run."`
	Peers     cli.Text `name:"peer-config-file" default:"peers.json" help:"The member list, for the names of a folder's members."`
}

// Help shows how to use the command.
func (backupCommand) Help() string {
	return `Writes what has settled, up to the moment when it begins, as lines of JSON with a digest at the end. What has settled never changes, so the member goes on meanwhile, and a backup of any member is one of all.

A backup is for when all members are lost: then chatterbox restore makes folders of it with which all of them begin anew. An older copy of one member's data folder is no backup: its peers know more of it than it does, and refuse it by name.

Examples:

    chatterbox backup monday.jsonl --http 127.0.0.1:8000
    chatterbox backup monday.jsonl --data-dir a`
}

// Contradictions finds flags that do not fit together.
func (c *backupCommand) Contradictions(wrong *cli.Mistakes) {
	if (c.HTTP.Value == "") == (c.DataDir.Value == "") {
		wrong.Addf("name either a running member with --http or a folder with --data-dir")
	}
}

// Run writes the file under another name first.
func (c *backupCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	log, err := c.open(ctx)
	if err != nil {
		return explained(ctx, err)
	}
	defer log.Close() //nolint:errcheck // only read
	partial := c.File.Value + ".partial"
	file, err := os.Create(partial)
	if err != nil {
		return err
	}
	digest, err := backup.Write(ctx, file, log)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(partial, c.File.Value)
	}
	if err != nil {
		return explained(ctx, errors.Join(err, os.Remove(partial)))
	}
	about := log.About()
	fmt.Fprintf(console.Stdout, "positions %d to %d are in %s, digest %s\n", about.Oldest, about.Settled, c.File.Value, digest)
	if about.Oldest > 1 {
		console.Notef("note: what was before position %d is not retained by %s, and not in the backup", about.Oldest, about.Name)
	}
	return nil
}

func (c *backupCommand) open(ctx context.Context) (backup.Log, error) {
	if c.HTTP.Value != "" {
		return openMember(ctx, &remote{HTTP: c.HTTP, HTTPToken: c.HTTPToken})
	}
	list, err := member.ReadList(c.Peers.Value)
	if err != nil {
		return nil, fmt.Errorf("--peer-config-file %q: %w", c.Peers.Value, err)
	}
	return backup.OpenFolder(c.DataDir.Value, namesOf(list))
}

func openMember(ctx context.Context, at *remote) (backup.Log, error) {
	from, err := at.client()
	if err != nil {
		return nil, err
	}
	return backup.OpenMember(ctx, at.HTTP.Value, from)
}

// restoreCommand makes a member's folder of a backup.
type restoreCommand struct {
	File  cli.Text `arg:"" name:"file" help:"The backup."`
	Dir   cli.Text `arg:"" name:"dir" help:"The data folder to make."`
	Name  cli.Text `required:"" placeholder:"NAME" help:"The member that the folder is for, as status shows it."`
	Peers cli.Text `name:"peer-config-file" default:"peers.json" help:"The member list: names and order as in the backup; addresses may have changed."`
}

// Help shows how to use the command.
func (restoreCommand) Help() string {
	return `Makes the data folder with which a member begins a new cluster that has what the backup has, at the same positions. Make one for every member, of the same backup, before any of them starts. They are other lives than those of the former cluster: whoever of that is still there is refused by name, and so is a member with a folder of another backup. What was accepted after the backup is not in it.

If one member only has lost its disk, do not restore: docs/operating.md says what to do.

Example, on three machines:

    chatterbox restore monday.jsonl a --name a
    chatterbox restore monday.jsonl b --name b
    chatterbox restore monday.jsonl c --name c`
}

// Run makes the folder.
func (c *restoreCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	list, err := member.ReadList(c.Peers.Value)
	if err != nil {
		return fmt.Errorf("--peer-config-file %q: %w", c.Peers.Value, err)
	}
	names := namesOf(list)
	self := slices.Index(names, c.Name.Value)
	if self < 0 {
		return fmt.Errorf("--name %q: the list has %v", c.Name.Value, names)
	}
	from, err := backup.OpenFile(c.File.Value)
	if err != nil {
		return err
	}
	err = backup.Restore(ctx, from, backup.Target{Folder: c.Dir.Value, Members: list, Names: names, Self: member.ID(self)})
	if err != nil {
		return explained(ctx, err)
	}
	about := from.About()
	fmt.Fprintf(console.Stdout, "%s begins with positions %d to %d, digest %s\n", c.Dir.Value, about.Oldest, about.Settled, from.Digest())
	console.Notef("note: all %d members must begin with folders of this backup, before any of them starts", len(names))
	return nil
}

// verifyCommand compares logs.
type verifyCommand struct {
	Sources   []string `arg:"" name:"source" help:"Running members (host:port), data folders, and files of chatterbox backup; two or more."`
	HTTPToken cli.Text `name:"http-token" placeholder:"FILE" help:"File with the bearer token of the members."`
	JSON      bool     `name:"json" help:"Print one JSON object instead."`
}

// Help shows how to use the command.
func (verifyCommand) Help() string {
	return `Reads what has settled from all of them side by side, as far as all have it, and says whether it is the same, with a digest; or the first position that differs, with what each has there. Exit status: 0 they agree, 1 they do not, 2 they have no position in common.

Examples:

    chatterbox verify 127.0.0.1:8000 127.0.0.1:8001 127.0.0.1:8002
    chatterbox verify monday.jsonl a 127.0.0.1:8001`
}

// Contradictions demands something to compare.
func (c *verifyCommand) Contradictions(wrong *cli.Mistakes) {
	if len(c.Sources) == 1 {
		wrong.Addf("<source> %v: name two or more, there is nothing to compare", c.Sources)
	}
}

// Run compares.
func (c *verifyCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	var logs []backup.Log
	for _, source := range c.Sources {
		log, err := openSource(ctx, source, c.HTTPToken)
		if err != nil {
			return explained(ctx, err)
		}
		defer log.Close() //nolint:errcheck // only read
		logs = append(logs, log)
	}
	verdict, err := backup.Compare(ctx, logs)
	if err != nil {
		return explained(ctx, err)
	}
	if c.JSON {
		console.JSON(verdict)
	} else {
		c.print(console, logs, &verdict)
	}
	switch {
	case verdict.Differs > 0:
		return cli.Violated
	case verdict.To < verdict.From:
		return cli.Partial
	}
	return nil
}

func (c *verifyCommand) print(console *cli.Console, logs []backup.Log, v *backup.Verdict) {
	out := console.Stdout
	switch {
	case v.Differs > 0:
		fmt.Fprintf(out, "%s at position %d:\n", console.Out.Bad("they differ"), v.Differs)
		for i, says := range v.Says {
			fmt.Fprintf(out, "  %s: %s\n", c.Sources[i], says)
		}
	case v.To < v.From:
		fmt.Fprintf(out, "%s\n", console.Out.Warn("they have no position in common"))
	default:
		fmt.Fprintf(out, "%s on positions %d to %d, digest %s\n", console.Out.Good("they agree"), v.From, v.To, v.Digest)
	}
	for i, log := range logs {
		about := log.About()
		fmt.Fprintf(out, "  %s has positions %d to %d\n", c.Sources[i], about.Oldest, about.Settled)
	}
}

// openSource opens what is called by a path or, if there is nothing there, by an
// address.
func openSource(ctx context.Context, source string, token cli.Text) (backup.Log, error) {
	info, err := os.Stat(source)
	switch {
	case err == nil && info.IsDir():
		return backup.OpenFolder(source, nil)
	case err == nil:
		return backup.OpenFile(source)
	}
	if _, wrong := client.New(source, ""); wrong != nil {
		return nil, errors.Join(err, wrong)
	}
	log, err := openMember(ctx, &remote{HTTP: cli.Text{Value: source}, HTTPToken: token})
	if err != nil {
		return nil, fmt.Errorf("%s: no folder or file is called so, and %w", source, err)
	}
	return log, nil
}

// fsckCommand reads all of a folder.
type fsckCommand struct {
	Dir       cli.Text `arg:"" name:"dir" help:"The data folder."`
	Mend      bool     `help:"Put back what follows from the rest of the folder; no member may run on it."`
	From      cli.Text `placeholder:"ADDR" help:"The same, and get settled entries from a peer that serves HTTP there."`
	HTTPToken cli.Text `name:"http-token" placeholder:"FILE" help:"File with the bearer token of the peer."`
}

// Help shows how to use the command.
func (fsckCommand) Help() string {
	return `Reads everything in a data folder and names segment and byte of each piece that is not as it was written, and whether a start with the folder would be refused. It changes nothing unless it is told to, and may run beside the member. Exit status: 0 the folder is whole, 1 it is not.

Examples:

    chatterbox fsck a
    chatterbox fsck a --from 127.0.0.1:8001`
}

// Run reads, and mends if that is wanted.
func (c *fsckCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	found, err := c.inspect(ctx)
	if err != nil {
		return explained(ctx, err)
	}
	out, report := console.Stdout, found.Report
	for _, d := range found.Mended {
		fmt.Fprintf(out, "%s: %s\n", console.Out.Good("mended"), d)
	}
	for _, d := range report.Damages {
		fmt.Fprintf(out, "%s: %s\n", console.Out.Bad("damaged"), d)
	}
	for _, why := range found.Why {
		fmt.Fprintf(out, "not mended: %v\n", why)
	}
	snapshots, wrong := backup.Snapshots(c.Dir.Value)
	for _, damage := range wrong {
		fmt.Fprintf(out, "%s: %v\n", console.Out.Bad("damaged"), damage)
	}
	if report.Unfinished > 0 {
		fmt.Fprintf(out, "the newest segment ends with %d bytes that a crash left, or that a member is writing: nobody was told of them\n", report.Unfinished)
	}
	if report.Refusal != nil {
		fmt.Fprintf(out, "a start would be refused: %v\n", report.Refusal)
	}
	fmt.Fprintf(out, "%s: %d segments of %s bytes, positions %d to %d, %d snapshots: %s\n", c.Dir.Value, report.Segments,
		term.Grouped(uint64(report.Bytes)), report.First, report.Last, snapshots, verdictOf(len(report.Damages)+len(wrong), report.Refusal))
	if len(report.Damages)+len(wrong) > 0 || report.Refusal != nil {
		return cli.Violated
	}
	return nil
}

func verdictOf(damages int, refusal error) string {
	switch {
	case damages == 1:
		return "1 damage"
	case damages > 1:
		return fmt.Sprintf("%d damages", damages)
	case refusal != nil:
		return "not whole"
	}
	return "whole"
}

func (c *fsckCommand) inspect(ctx context.Context) (journal.Repaired, error) {
	if !c.Mend && c.From.Value == "" {
		report, err := backup.Inspect(c.Dir.Value)
		return journal.Repaired{Report: report}, err
	}
	var from backup.Log
	if c.From.Value != "" {
		var err error
		if from, err = openMember(ctx, &remote{HTTP: c.From, HTTPToken: c.HTTPToken}); err != nil {
			return journal.Repaired{}, err
		}
	}
	return backup.Mend(ctx, c.Dir.Value, from)
}
