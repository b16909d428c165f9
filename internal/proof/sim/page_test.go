package sim_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/cost"
	"chatterbox/internal/proof/mutant"
)

var rewrite = flag.Bool("rewrite", false, "write the tables of docs/protocols.md anew")

const protocolsPage = "../../../docs/protocols.md"

// testOf names the test that shows that a check sees its mistake, where it is
// not the one for all.
func testOf(c *check.Check) string {
	switch c.Name {
	case "same-hash":
		return "`sim.TestSameSeedSameHash`"
	case "one-position", "readers-see-all":
		return "`sim.TestBrokenHistoryIsCaught`"
	case "parted-say-so":
		return "`sim.TestEveryMutantIsCaught`, with `view-parted-in-silence`"
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
		if c.Cost {
			notes = "*cost*"
		}
		fmt.Fprintf(&table, "| %d | `%s` | %s | %s | %s |\n", c.Number, c.Name, c.Promise, c.Catches, notes)
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
		text = replaceTable(t, text, "checks", checksTable())
		if err := os.WriteFile(protocolsPage, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(text, checksTable()) {
		t.Error("the table of checks is not what the code says; -rewrite writes it anew")
	}
	for _, m := range cost.Measures() {
		if row := fmt.Sprintf("| `%s` | %s | %v", m.Name, m.Doc, m.Bound); !strings.Contains(text, row) {
			t.Errorf("no row %s", row)
		}
	}
	for _, protocol := range protocols() {
		for _, m := range mutant.Of(protocol) {
			_, rest, found := strings.Cut(text, mutantsRow(protocol, m))
			name, _, _ := strings.Cut(rest, "`")
			if _, known := check.Named(name); !found || !known && name != "no-panic" {
				t.Errorf("no row for %s under %s, or it names no check; go test ./internal/proof/mutant -rewrite writes the table anew", m, protocol)
			}
		}
	}
}

// mutantsRow is how the row of a mutant begins.
func mutantsRow(protocol string, m mutant.Mutant) string {
	return fmt.Sprintf("| `%s` | %s | %s | `", m, protocol, m.Doc(protocol))
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
