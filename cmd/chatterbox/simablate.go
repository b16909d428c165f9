package main

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"chatterbox/internal/cli"
	"chatterbox/internal/job/runs"
	"chatterbox/internal/proof/cost"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/sim"
)

// chooseRules takes the rules that --ablate leaves out: those that --mutant names,
// or all that the protocol has.
func (c *simCommand) chooseRules(wrong *cli.Mistakes) {
	c.config.Mutant = mutant.None
	c.config.Protocol = cmp.Or(c.config.Protocol, sim.Delta)
	c.rules = append(mutant.Of(c.config.Protocol), mutant.Rules(c.config.Protocol)...)
	if c.Mutant.Value == "" {
		return
	}
	all := c.rules
	c.rules = nil
	for name := range strings.SplitSeq(c.Mutant.Value, ",") {
		at := slices.IndexFunc(all, func(m mutant.Mutant) bool { return path.Base(string(m)) == name })
		if at < 0 {
			wrong.Addf("--mutant %s: %s has no such rule to leave out; --ablate alone leaves out each that it has", name, c.config.Protocol)
			continue
		}
		c.rules = append(c.rules, all[at])
	}
}

// ablate runs the protocol without each of its rules, and prints a table of what
// that does: a rule that shows nowhere need not be there.
func (c *simCommand) ablate(ctx context.Context, console *cli.Console) error {
	seeds := max(c.Seeds.Value, 1)
	fmt.Fprintf(console.Stdout, "| %s without | runs of %d that fail | cost: worse and better |\n| --- | --- | --- |\n", c.config.Protocol, seeds)
	var sound []cost.Row
	for _, m := range slices.Insert(c.mutants(), 0, mutant.None) {
		plan := runs.Plan{Config: c.config, Seeds: seeds}
		plan.Config.Mutant = m
		totals, err := runs.Run(ctx, plan, func(*runs.Totals) {})
		switch {
		case err != nil:
			return err
		case totals.Done < plan.Len():
			return cli.ErrInterrupted
		}
		rows := totals.Cost.Rows()
		if m == mutant.None {
			sound = rows
		}
		what := "(nothing)"
		if m != mutant.None {
			what = "`" + string(m) + "`"
		}
		fmt.Fprintf(console.Stdout, "| %s | %s | %s |\n", what, failures(&totals), strings.Join(costDiffers(sound, rows), "; "))
	}
	return nil
}

// failures returns how many runs failed, by the first promise that they broke.
func failures(t *runs.Totals) string {
	byCheck := map[string]int{}
	for _, f := range t.Failed {
		byCheck[f.Check]++
	}
	var words []string
	for name, count := range byCheck {
		words = append(words, fmt.Sprintf("%s %d", name, count))
	}
	slices.Sort(words)
	if len(words) == 0 {
		return ""
	}
	return fmt.Sprintf("%d: %s", len(t.Failed), strings.Join(words, ", "))
}

// costDiffers returns in which measures the cost is worse or better than that of
// the sound protocol.
func costDiffers(sound, rows []cost.Row) []string {
	var words []string
	for _, row := range rows {
		i := slices.IndexFunc(sound, func(was cost.Row) bool { return was.Name == row.Name })
		if i < 0 {
			continue
		}
		for _, way := range []struct{ name, how string }{{"worse", cost.Worse(sound[i], row)}, {"better", cost.Worse(row, sound[i])}} {
			if way.how != "" {
				words = append(words, fmt.Sprintf("%s %s %s (p50 %.3g for %.3g, p99 %.3g for %.3g)",
					row.Name, way.how, way.name, row.P50, sound[i].P50, row.P99, sound[i].P99))
			}
		}
	}
	return words
}
