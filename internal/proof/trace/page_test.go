package trace_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"chatterbox/internal/proof/trace"
)

var rewrite = flag.Bool("rewrite", false, "write the tables of docs/trace.md anew")

const page = "../../../docs/trace.md"

// kindsTable is the table of kinds as docs/trace.md shows it.
func kindsTable() string {
	var table strings.Builder
	table.WriteString("| `what` | fields | |\n| --- | --- | --- |\n")
	for _, kind := range trace.Kinds() {
		e := full(kind)
		line := string(trace.AppendJSON(nil, &e))
		var fields []string
		for _, part := range strings.Split(line, `,"`)[3:] {
			if name, _, ok := strings.Cut(part, `":`); ok {
				fields = append(fields, "`"+name+"`")
			}
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", kind, strings.Join(fields, " "), kind.Doc())
	}
	return table.String()
}

// TestPageNamesEveryKind: docs/trace.md says what the code says.
func TestPageNamesEveryKind(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(data), "<!-- kinds -->\n")
	table, after, ok := strings.Cut(rest, "<!-- end -->")
	if !ok {
		t.Fatal("docs/trace.md has lost the place of its table")
	}
	if *rewrite {
		text := before + "<!-- kinds -->\n" + kindsTable() + "<!-- end -->" + after
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != kindsTable() {
		t.Error("the table of kinds is not what the code says; go test ./internal/proof/trace -rewrite writes it anew")
	}
}

// TestPageNamesEveryFieldOfTheHeader.
func TestPageNamesEveryFieldOfTheHeader(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "## The header")
	table, _, _ := strings.Cut(rest, "\n## ")
	header := reflect.TypeFor[trace.Header]()
	for i := range header.NumField() {
		name, _, _ := strings.Cut(header.Field(i).Tag.Get("json"), ",")
		if !strings.Contains(table, "`"+name+"`") {
			t.Errorf("docs/trace.md does not tell of %q", name)
		}
	}
	if !strings.Contains(string(data), fmt.Sprintf("Version %d.", trace.Version)) {
		t.Errorf("docs/trace.md is not about version %d", trace.Version)
	}
}

// TestPageExampleCanBeRead.
func TestPageExampleCanBeRead(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```json\n")
	example, _, ok := strings.Cut(rest, "```")
	if err := readAll(example); !ok || !errors.Is(err, io.EOF) {
		t.Errorf("the example of docs/trace.md: %v", err)
	}
}
