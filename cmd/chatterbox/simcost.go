package main

import (
	"context"
	"fmt"
	"slices"

	"chatterbox/internal/cli"
	"chatterbox/internal/job/runs"
	"chatterbox/internal/proof/cost"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/term"
)

// baselineMiBMax bounds a table of cost.
const baselineMiBMax = 1

// readBaseline reads the table that the cost is compared with.
func (c *simCommand) readBaseline(wrong *cli.Mistakes) {
	if c.Baseline.Value == "" {
		return
	}
	c.Cost = true
	text, err := cli.ReadFile(c.Baseline.Value, baselineMiBMax)
	if err == nil {
		c.baseline, err = cost.Parse(string(text))
	}
	if err != nil {
		wrong.Addf("--baseline %s: %v", c.Baseline.Value, err)
	}
}

// judgeCost prints what the runs cost, beside the baseline if there is one.
func (o *simOutput) judgeCost(t *runs.Totals) error {
	if !o.command.Cost {
		return nil
	}
	rows := t.Cost.Rows()
	worse, err := cost.Compare(o.command.baseline, rows)
	if o.command.baseline != nil && err != nil {
		return fmt.Errorf("--baseline %s is not of the same runs: %w", o.command.Baseline.Value, err)
	}
	if !o.command.JSON {
		fmt.Fprintln(o.verdicts)
		term.Table(o.verdicts, cost.Table(rows, o.command.baseline))
	}
	if o.command.baseline != nil && len(worse) > 0 {
		o.console.Errorf("%s: %s worse by more than a tenth", o.command.Baseline.Value, term.Plural(len(worse), "measure"))
		return cli.Missed
	}
	return nil
}

// run makes the runs. Those of a mutant that break no promise are compared with
// the same runs of the sound protocol, which may show that they cost more; if
// that shows nothing either, there are more runs unless their number was given.
func (o *simOutput) run(ctx context.Context) (runs.Totals, *jsonFail, error) {
	totals, err := runs.Run(ctx, o.plan, o.progress)
	if o.plan.Config.Mutant == mutant.None || err != nil || totals.First != nil || totals.Done < o.plan.Len() {
		return totals, nil, err
	}
	var dearer *jsonFail
	if dearer, err = o.compareWithSound(ctx, &totals); dearer != nil || err != nil || o.command.Seeds.Value > 0 || o.command.FailureMap.Value != "" {
		return totals, dearer, err
	}
	o.plan.Seeds = mutantSeeds
	totals, err = runs.Run(ctx, o.plan, o.progress)
	return totals, nil, err
}

// compareWithSound returns in what the runs of a mutant are worse than those of
// the sound protocol; nil is nothing.
func (o *simOutput) compareWithSound(ctx context.Context, t *runs.Totals) (*jsonFail, error) {
	plan := o.plan
	plan.Config.Mutant, plan.Directed = mutant.None, nil
	sound, err := runs.Run(ctx, plan, o.progress)
	if err != nil || sound.Done < plan.Len() {
		return nil, err
	}
	before := sound.Cost.Rows()
	for _, row := range t.Cost.Rows() {
		i := slices.IndexFunc(before, func(was cost.Row) bool { return was.Name == row.Name })
		measure := cost.MeasureNamed(row.Name)
		if i < 0 || measure.Check == "" || cost.Worse(before[i], row) == "" {
			continue
		}
		config := o.command.config
		return &jsonFail{
			Check: measure.Check, Text: fmt.Sprintf("%s: %s: with the sound protocol p50 %.4g and p99 %.4g, without the rule %.4g and %.4g",
				row.Name, measure.Doc, before[i].P50, before[i].P99, row.P50, row.P99),
			Reproduce: fmt.Sprintf("chatterbox sim --protocol %s --mutant %s", config.Protocol, config.Mutant),
		}, nil
	}
	return nil, nil
}
