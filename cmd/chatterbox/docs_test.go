package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"chatterbox/internal/cli"
	"chatterbox/internal/proof/check"
	drawing "chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/show/comparison"
	"chatterbox/test/program"
)

// rewriteDocs lets the documents show what the commands print today.
var rewriteDocs = flag.Bool("rewrite", false, "write the output of commands in documents anew")

// repository is the root of the tree, seen from here.
const repository = "../.."

// documents are pages whose commands are run by a test.
func documents(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(repository, "docs/course/*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatal("the course has no pages", err)
	}
	return append(pages, filepath.Join(repository, "docs/tutorial.md"))
}

// TestCommandsOfDocuments types what the tutorial and the course say, page by
// page, and demands the exit status and the output that they show, but for the
// numbers. A console block has lines that begin with "$ ", and below each what
// it prints; a line of three points stands for any lines; "[exit status N]" ends
// a command that does not end with 0.
func TestCommandsOfDocuments(t *testing.T) {
	var scripts []string
	pages := map[string]string{} // by name of the script
	folder := t.TempDir()
	for _, page := range documents(t) {
		name := strings.TrimSuffix(filepath.Base(page), ".md") + ".txtar"
		pages[strings.TrimSuffix(name, ".txtar")] = page
		script, text := filepath.Join(folder, name), scriptOf(t, page)
		if !drawing.Whole() && strings.Contains(text, "--mutant") {
			t.Logf("%s builds a mutant: CHATTERBOX_PROOFS=all types it, as CI does", page)
			continue
		}
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, script)
	}
	docs, err := filepath.Abs(filepath.Join(repository, "docs"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files: scripts, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			return errors.Join(os.Symlink(docs, filepath.Join(env.WorkDir, "docs")), withSource(t)(env))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": scriptStatus,
			"shows":  func(ts *testscript.TestScript, _ bool, args []string) { scriptShows(ts, pages[ts.Name()], args[0]) },
		},
	})
}

// typed is a command of a document: its text, what is shown of its output, and
// the lines of the page that this is.
type typed struct {
	command     string
	shown       []string
	status      int
	first, last int // lines of shown, from 0; last is not one of them
}

// commandsOf finds the commands of a page.
func commandsOf(page string) []typed {
	var commands []typed
	inside := false
	for i, line := range strings.Split(page, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case inside && strings.HasPrefix(line, "$ "):
			commands = append(commands, typed{command: line[2:], first: i + 1, last: i + 1})
		case inside && len(commands) > 0:
			c := &commands[len(commands)-1]
			c.last = i + 1
			if text, ok := strings.CutPrefix(line, "[exit status "); ok {
				c.status, _ = strconv.Atoi(strings.TrimSuffix(text, "]"))
				c.last = i
				continue
			}
			c.shown = append(c.shown, line)
		}
	}
	return commands
}

// scriptOf makes a script of the commands of a page.
func scriptOf(t *testing.T, path string) string {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	commands := commandsOf(string(page))
	if len(commands) == 0 && filepath.Base(path) != "README.md" {
		t.Errorf("%s shows no command", path)
	}
	var script strings.Builder
	for k, c := range commands {
		quoted := strings.ReplaceAll(c.command, "'", "''")
		fmt.Fprintf(&script, "status %d sh -c 'exec 2>&1; %s'\nshows %d\n", c.status, quoted, k)
	}
	return script.String()
}

// scriptShows compares what the command just printed with what the page shows
// of its k-th command, or writes it there.
func scriptShows(ts *testscript.TestScript, path, k string) {
	page, err := os.ReadFile(path)
	ts.Check(err)
	number, err := strconv.Atoi(k)
	ts.Check(err)
	c := commandsOf(string(page))[number]
	printed := strings.Split(strings.TrimRight(ts.ReadFile("stdout"), "\n"), "\n")
	if printed[0] == "" {
		printed = nil
	}
	if *rewriteDocs && !slices.Contains(c.shown, "...") {
		lines := strings.Split(string(page), "\n")
		lines = slices.Concat(lines[:c.first], printed, lines[c.last:])
		ts.Check(os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
		return
	}
	if !alike(c.shown, printed) {
		ts.Fatalf("%s: %q prints\n%s\nand the page shows\n%s", path, c.command, strings.Join(printed, "\n"), strings.Join(c.shown, "\n"))
	}
}

// alike reports whether what is shown is what was printed, but for numbers and
// for lines of three points.
func alike(shown, printed []string) bool {
	number := regexp.MustCompile(`\b[0-9a-f]{16}\b|[0-9][0-9.,e+]*( ?(ns|us|µs|ms|s|m))?\b|–|never`)
	blank := regexp.MustCompile(` +`)
	plain := func(line string) string {
		return strings.TrimRight(blank.ReplaceAllString(number.ReplaceAllString(line, "N"), " "), " ")
	}
	for i, line := range shown {
		if line != "..." {
			if len(printed) == 0 || plain(line) != plain(printed[0]) {
				return false
			}
			printed = printed[1:]
			continue
		}
		for skip := range len(printed) + 1 {
			if alike(shown[i+1:], printed[skip:]) {
				return true
			}
		}
		return false
	}
	return len(printed) == 0
}

// TestDocumentsAreComparedLineByLine: what the page shows must be there, in its
// order, and nothing else.
func TestDocumentsAreComparedLineByLine(t *testing.T) {
	for _, c := range []struct {
		shown, printed string
		want           bool
	}{
		{"kept in 3 runs", "kept in 4 runs", true},
		{"kept in 3 runs", "broken in 4 runs", false},
		{"a\n...\nz", "a\nb\nc\nz", true},
		{"a\n...\nz", "a\nb\nc", false},
		{"a", "a\nb", false},
		{"a\nb", "a", false},
		{"hash 0123456789abcdef", "hash fedcba9876543210", true},
	} {
		if got := alike(strings.Split(c.shown, "\n"), strings.Split(c.printed, "\n")); got != c.want {
			t.Errorf("%q shown for %q: %t", c.shown, c.printed, got)
		}
	}
}

// TestPicturesAreOfTheirRuns draws the pictures of docs/pictures again from the
// runs that stand beside them: each is what its run draws, to the last byte.
func TestPicturesAreOfTheirRuns(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(repository, "docs/pictures/*.txt"))
	if err != nil || len(cases) < 4 {
		t.Fatal(cases, err)
	}
	folder := t.TempDir()
	var script strings.Builder
	for i, path := range cases {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		status, flags := 0, ""
		if strings.Contains(string(text), "mutant=") {
			if status = 1; !drawing.Whole() {
				continue // it takes a program of its own
			}
		}
		for _, line := range strings.Split(string(text), "\n") {
			if words, ok := strings.CutPrefix(line, "# draw: "); ok {
				flags = words
			}
		}
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&script, "status %d chatterbox sim --failure-map %s --seeds 1 --shrink 0 --trace %d.jsonl\n", status, absolute, i)
		fmt.Fprintf(&script, "status 0 chatterbox diagram %d.jsonl %s -o %d.svg\n", i, flags, i)
		fmt.Fprintf(&script, "cmp %d.svg %s\n", i, strings.TrimSuffix(absolute, ".txt")+".svg")
	}
	file := filepath.Join(folder, "pictures.txtar")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files: []string{file}, RequireExplicitExec: true, Setup: withSource(t),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": scriptStatus},
	})
}

// TestProgramsOfTheTutorial builds and runs the programs that the tutorial
// shows in a module of their own, as a user would.
func TestProgramsOfTheTutorial(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(repository, "docs/tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)\n```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(programs) != 2 {
		t.Fatalf("%d programs", len(programs))
	}
	// With the flags of who runs the tests, or all would be compiled once more.
	flags, err := exec.Command("go", "env", "GOFLAGS").Output()
	if err != nil {
		t.Fatal(err)
	}
	environment := append(os.Environ(), "GOFLAGS="+strings.TrimSpace(string(flags))+" -mod=mod", "GOPROXY=off", "GOWORK=off")
	for i, found := range programs {
		name, command, want := "main.go", []string{"run", "."}, "3 "
		if strings.Contains(found[1], `"testing"`) {
			name, command, want = "tutorial_test.go", []string{"test", "-count=1", "-timeout=60s", "."}, "ok "
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := userModule(t)
			source := withFreePorts(t, found[1])
			if err := os.WriteFile(filepath.Join(folder, name), []byte(source), 0o600); err != nil {
				t.Fatal(err)
			}
			build := exec.Command("go", command...)
			build.Dir = folder
			build.Env = environment
			out, err := build.CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("program %d: %v\n%s", i+1, err, out)
			}
		})
	}
}

// userModule makes a module that uses this one.
func userModule(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	module := "module tutorial\n\ngo 1.26.0\n\nrequire chatterbox v0.0.0\n\nreplace chatterbox => " + root + "\n"
	for name, text := range map[string]string{"go.mod": module, "go.sum": string(sums)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// withFreePorts puts ports that are free into a program.
func withFreePorts(t *testing.T, source string) string {
	t.Helper()
	return regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllStringFunc(source, func(string) string {
		return fmt.Sprintf("127.0.0.1:%d", program.Ports(t, 1)[0])
	})
}

// TestComparisonPage: docs/comparison.md has the columns that compare writes,
// a row for each protocol under each shipped map, and no broken promise. With
// -rewrite the command makes its table anew.
func TestComparisonPage(t *testing.T) {
	path := filepath.Join(repository, "docs/comparison.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(page), "<!-- compare -->\n")
	table, after, ok := strings.Cut(rest, "<!-- end -->")
	if !ok {
		t.Fatal("docs/comparison.md has lost the place of its table")
	}
	if *rewriteDocs || drawing.Whole() {
		made, err := measured("--seeds", "20", "--markdown")
		switch {
		case err != nil:
			t.Fatal(err)
		case !*rewriteDocs:
			if made != table {
				t.Errorf("the table is not what the runs give: make comparison writes it anew; look what became worse. Now:\n%s", made)
			}
		case os.WriteFile(path, []byte(before+"<!-- compare -->\n"+made+"<!-- end -->"+after), 0o600) != nil:
			t.Fatalf("%s cannot be written", path)
		default:
			return
		}
	}
	if head := "| " + strings.Join(comparison.Heads(), " | ") + " |"; !strings.Contains(table, head) {
		t.Errorf("the table has no head %q: make comparison writes it anew", head)
	}
	names := []string{nothingFails}
	for _, shipment := range failure.Shipped() {
		names = append(names, shipment.Name)
	}
	for _, name := range names {
		for _, protocol := range []string{sim.Delta, sim.Lockstep} {
			if row := fmt.Sprintf("\n| %s | %s | 20 | kept | ", name, protocol); !strings.Contains(table, row) {
				t.Errorf("the table has no row %q: make comparison writes it anew", row)
			}
		}
	}
	if rows := strings.Count(table, "| kept |"); rows != 2*len(names) {
		t.Errorf("%d rows for %d maps", rows, len(names))
	}
}

// measured runs compare and returns what it prints.
func measured(flags ...string) (stdout string, err error) {
	var out, said strings.Builder
	console := &cli.Console{Stdout: cli.NewOutput(&out), Stderr: &said}
	program := cli.Program{Name: "chatterbox"}
	if status := program.Main(&commands{}, append([]string{"compare"}, flags...), console); status != 0 {
		return "", fmt.Errorf("exit status %d: %s", status, said.String())
	}
	return out.String(), nil
}

// TestPromisesPointAtWhatShowsThem: docs/promises.md names every shipped map,
// says of each whether all is settled in the end as the map itself does, and
// every check and test that it names exists.
func TestPromisesPointAtWhatShowsThem(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(repository, "docs/promises.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	names := regexp.MustCompile("`([^`]+)`")
	settles := map[string]bool{} // of the maps in the table
	for _, line := range strings.Split(page, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 8 || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| what fails") {
			continue
		}
		for _, found := range names.FindAllStringSubmatch(cells[2], -1) {
			settles[found[1]] = strings.HasPrefix(cells[5], " yes")
		}
	}
	for _, shipment := range failure.Shipped() {
		if said, there := settles[shipment.Name]; !there || said != shipment.Complete {
			t.Errorf("%s: in the table %t; all is settled: %t, and the map demands %t", shipment.Name, there, said, shipment.Complete)
		}
		delete(settles, shipment.Name)
	}
	if len(settles) > 0 {
		t.Errorf("no such maps: %v", settles)
	}
	for _, found := range names.FindAllStringSubmatch(page, -1) {
		room, test, isTest := strings.Cut(found[1], ".")
		if _, isCheck := check.Named(found[1]); isCheck || !isTest && slices.ContainsFunc(failure.Shipped(), func(s failure.Shipment) bool { return s.Name == found[1] }) {
			continue
		}
		if !isTest || !testExists(t, room, test) {
			t.Errorf("there is no map, check or test %s", found[1])
		}
	}
}

// testExists reports whether a package with that name has the test.
func testExists(t *testing.T, room, test string) bool {
	t.Helper()
	folders := map[string]string{
		"chatterbox": ".", "sim": "internal/proof/sim", "journal": "internal/world/journal", "loopback": "test/loopback", "netns": "test/netns",
		"backup": "internal/backup", "serve": "test/serve",
	}
	files, err := filepath.Glob(filepath.Join(repository, folders[room], "*_test.go"))
	if err != nil || folders[room] == "" {
		return false
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "\nfunc "+test+"(t *testing.T)") {
			return true
		}
	}
	return false
}
