package sim_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"chatterbox/check"
	"chatterbox/sim"
)

var rewrite = flag.Bool("rewrite", false, "write the tables of docs/protocols.md anew")

const protocolsPage = "../docs/protocols.md"

// testOf names the test that shows that a check sees its mistake, where it is
// not the one for all.
func testOf(c *check.Check) string {
	switch c.Name {
	case "same-hash":
		return "`sim.TestSameSeedSameHash`"
	case "recovers-acknowledged":
		return "`journal.TestCrashAtEveryStepRecoversAnAcknowledgedPrefix`"
	}
	return ""
}

func checksTable() string {
	var table strings.Builder
	table.WriteString("| | check | promise | catches | |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range check.All() {
		notes := testOf(&c)
		if c.Pacing {
			notes = "*pace*"
		}
		fmt.Fprintf(&table, "| %d | `%s` | %s | %s | %s |\n", c.Number, c.Name, c.Promise, c.Catches, notes)
	}
	return table.String()
}

// mutantsTable runs every mutant until it is caught.
func mutantsTable(t *testing.T) string {
	var table strings.Builder
	table.WriteString("| mutant | protocol | what it breaks | caught by | after |\n| --- | --- | --- | --- | --- |\n")
	runner := sim.NewRunner()
	for _, protocol := range protocols() {
		for _, m := range sim.Mutants(protocol) {
			caught, ok, err := runner.Hunt(protocol, m, seedsForMutant)
			if err != nil || !ok {
				t.Fatalf("%s under %s is not caught: %v", m, protocol, err)
			}
			after := "directed"
			if !caught.Directed {
				after = fmt.Sprint(caught.Seeds)
			}
			fmt.Fprintf(&table, "| `%s` | %s | %s | `%s` | %s |\n", m, protocol, m.Doc(), caught.Violation.Check, after)
		}
	}
	return table.String()
}

// TestProtocolsPage: docs/protocols.md names every check with its promise, and
// every mutant with what it breaks and a check that exists.
func TestProtocolsPage(t *testing.T) {
	data, err := os.ReadFile(protocolsPage)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if *rewrite {
		text = replaceTable(t, replaceTable(t, text, "checks", checksTable()), "mutants", mutantsTable(t))
		if err := os.WriteFile(protocolsPage, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(text, checksTable()) {
		t.Error("the table of checks is not what the code says; -rewrite writes it anew")
	}
	for _, protocol := range protocols() {
		for _, m := range sim.Mutants(protocol) {
			row := fmt.Sprintf("| `%s` | %s | %s | `", m, protocol, m.Doc())
			_, rest, found := strings.Cut(text, row)
			name, _, _ := strings.Cut(rest, "`")
			if _, known := check.Named(name); !found || !known && name != "no-panic" {
				t.Errorf("no row for %s under %s, or it names no check; -rewrite writes the table anew", m, protocol)
			}
		}
	}
}

// replaceTable puts a table between the marks of its name.
func replaceTable(t *testing.T, text, name, table string) string {
	t.Helper()
	before, rest, _ := strings.Cut(text, "<!-- "+name+" -->\n")
	_, after, ok := strings.Cut(rest, "<!-- end -->")
	if !ok {
		t.Fatalf("%s has lost the place of its table of %s", protocolsPage, name)
	}
	return before + "<!-- " + name + " -->\n" + table + "<!-- end -->" + after
}
