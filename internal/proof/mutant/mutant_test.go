package mutant_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/mutant"
)

var rewrite = flag.Bool("rewrite", false, "write the table of docs/protocols.md anew")

const root = "../../.."

// TestEveryMutantIsCaught builds the tests of all that judges with every mutant
// in them, and runs those that are about mutants. By itself a test with
// mutants is none: it runs nothing in a program without them.
func TestEveryMutantIsCaught(t *testing.T) {
	if !draw.Whole() && !*rewrite {
		t.Skip("builds every mutant: CHATTERBOX_PROOFS=all runs it, as CI does")
	}
	dependOnSource(t)
	overlay, err := mutant.WriteOverlay(absolute(t, root), t.TempDir(), mutant.Variants())
	if err != nil {
		t.Fatal(err)
	}
	arguments := []string{"test", "-overlay", overlay, "-vet=off", "-run", "Mutant"}
	packages := []string{"./internal/proof/sim", "./internal/core/protocol/delta", "./internal/core/protocol/lockstep", "./internal/core/protocol/synod", "./internal/show/diagram", "./internal/proof/sim/explore"}
	if *rewrite {
		packages = append(packages[:1], "-rewrite")
	}
	command := exec.Command("go", append(arguments, packages...)...)
	command.Dir = root
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "no tests to run") {
		t.Errorf("a package looks at no mutant:\n%s", out)
	}
	t.Logf("%d mutants\n%s", len(mutant.Variants()), out)
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// dependOnSource reads what mutants are made of and judged by, so that go test
// runs this again when any of it changes.
func dependOnSource(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"internal/core", "internal/proof", "internal/world"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestMutantsAreExplained: in a sentence each.
func TestMutantsAreExplained(t *testing.T) {
	for _, v := range append(mutant.Variants(), rules()...) {
		if doc := v.Mutant.Doc(v.Protocol); !strings.HasSuffix(doc, ".") || len(doc) < 20 {
			t.Errorf("%s of %s: %q is no sentence", v.Mutant, v.Protocol, doc)
		}
	}
	if len(mutant.Of(mutant.Delta)) < 19 || len(mutant.Of(mutant.Lockstep)) < 17 || mutant.None.Doc(mutant.Delta) != "" {
		t.Error("mutants are missing, or the sound protocol is one")
	}
}

// TestMutantThatFitsNoMoreFails loudly: where the source says something else
// than its patch, or says it twice.
func TestMutantThatFitsNoMoreFails(t *testing.T) {
	const file = "internal/core/protocol/delta/relay.go"
	source, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	broken := []mutant.Variant{{Protocol: mutant.Delta, Mutant: "rewind-each-tick"}}
	for changed, times := range map[string]string{
		strings.Replace(string(source), "d.repair(l)", "d.nudge(l)", 1):          "0 times",
		string(source) + "\nfunc again(d *Delta, l *link) {\n\td.repair(l)\n}\n": "2 times",
	} {
		folder := t.TempDir()
		copied := filepath.Join(folder, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(copied), 0o700), os.WriteFile(copied, []byte(changed), 0o600)); err != nil {
			t.Fatal(err)
		}
		_, err := mutant.WriteOverlay(folder, t.TempDir(), broken)
		if err == nil || !strings.Contains(err.Error(), "mutant rewind-each-tick of delta: "+file) || !strings.Contains(err.Error(), times) {
			t.Errorf("the error is %v, want one of %q", err, times)
		}
	}
	if _, err := mutant.WriteOverlay(absolute(t, root), t.TempDir(), []mutant.Variant{{Protocol: mutant.Delta, Mutant: "laziness"}}); err == nil {
		t.Error("a mutant that nobody wrote is built")
	}
}

func rules() []mutant.Variant {
	var all []mutant.Variant
	for _, m := range mutant.Rules(mutant.Delta) {
		all = append(all, mutant.Variant{Protocol: mutant.Delta, Mutant: m})
	}
	return all
}

// TestPatchesFit the source: mutants, and what chatterbox sim --ablate leaves
// out.
func TestPatchesFit(t *testing.T) {
	if len(rules()) == 0 {
		t.Error("there is no rule to leave out")
	}
	if _, err := mutant.WriteOverlay(absolute(t, root), t.TempDir(), append(mutant.Variants(), rules()...)); err != nil {
		t.Error(err)
	}
}
