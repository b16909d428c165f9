package tidy

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// architecture is the page that tells a newcomer the rooms.
const architecture = "ARCHITECTURE.md"

// Links finds links in Markdown files to files or headings that do not exist.
// Links to other sites are left alone.
func Links(t *Tree) []Finding {
	var findings []Finding
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	t.documentLines(func(document string, number int, line string) {
		for _, match := range link.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(match[1], "://") && !strings.HasPrefix(match[1], "mailto:") && !t.resolves(document, match[1]) {
				findings = append(findings, Finding{Path: document, Line: number, Text: "the link leads nowhere: " + match[1]})
			}
		}
	})
	return inOrder(findings)
}

// resolves reports whether the target of a link in the document exists.
func (t *Tree) resolves(document, target string) bool {
	file, heading, _ := strings.Cut(target, "#")
	name := document
	if file != "" {
		name = path.Join(path.Dir(document), file)
	}
	if !t.paths[name] {
		return false
	}
	return heading == "" || slices.Contains(anchors(t.Documents[name]), heading)
}

// anchors returns the names that a text's headings can be linked by: lower case,
// punctuation dropped, blanks as hyphens.
func anchors(text string) []string {
	var names []string
	dropped := regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
	outsideFences(text, func(_ int, line string) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			plain := dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			names = append(names, strings.ReplaceAll(plain, " ", "-"))
		}
	})
	return names
}

// Sources finds Go files that documents name and that do not exist (any more).
func Sources(t *Tree) []Finding {
	var findings []Finding
	source := regexp.MustCompile("`([a-z0-9_./-]+\\.go)(:[0-9]+)?`")
	t.documentLines(func(document string, number int, line string) {
		for _, match := range source.FindAllStringSubmatch(line, -1) {
			if !t.paths[match[1]] {
				findings = append(findings, Finding{Path: document, Line: number, Text: "there is no file " + match[1]})
			}
		}
	})
	return inOrder(findings)
}

// Rooms finds top folders with code, and floors of internal, that the
// architecture page does not name.
func Rooms(t *Tree) []Finding {
	var findings []Finding
	page := t.Documents[architecture]
	for _, p := range t.Packages {
		top, below, _ := strings.Cut(p.Dir, "/")
		if floor, _, _ := strings.Cut(below, "/"); top == "internal" {
			top += "/" + floor
		}
		named := strings.Contains(page, "`"+top+"/") || strings.Contains(page, "\n"+top+"/")
		finding := Finding{Path: architecture, Text: "does not tell what " + top + "/ is"}
		if top != "." && !named && !slices.Contains(findings, finding) {
			findings = append(findings, finding)
		}
	}
	return inOrder(findings)
}

// documentLines visits the lines of all documents that are not inside fences,
// in the order of their paths.
func (t *Tree) documentLines(visit func(document string, number int, line string)) {
	names := make([]string, 0, len(t.Documents))
	for name := range t.Documents {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		outsideFences(t.Documents[name], func(number int, line string) { visit(name, number, line) })
	}
}

// outsideFences visits the lines that are not part of a fenced block.
func outsideFences(text string, visit func(number int, line string)) {
	fenced := false
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			visit(i+1, line)
		}
	}
}
