package tidy

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// Comments finds packages and public names without a comment.
func Comments(t *Tree) []Finding {
	var findings []Finding
	for _, p := range t.Packages {
		code := p.Code()
		if len(code) > 0 && !hasPackageComment(code) {
			findings = append(findings, t.at(code[0].Syntax.Name, "package %s has no comment: say what it provides and its handful of nouns", p.Name()))
		}
		for _, f := range code {
			for _, name := range publicNames(f) {
				if !name.documented {
					findings = append(findings, t.at(name.node, "%s has no comment", name.text))
				}
			}
		}
	}
	return inOrder(findings)
}

func hasPackageComment(files []*File) bool {
	for _, f := range files {
		if f.Syntax.Doc != nil {
			return true
		}
	}
	return false
}

// publicName is a name that other packages can use.
type publicName struct {
	text       string
	node       ast.Node
	documented bool
	method     bool
}

func publicNames(f *File) []publicName {
	var names []publicName
	for _, decl := range f.Syntax.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			names = append(names, publicFunc(decl)...)
		case *ast.GenDecl:
			names = append(names, publicInGroup(decl)...)
		}
	}
	return names
}

func publicFunc(decl *ast.FuncDecl) []publicName {
	name := publicName{text: decl.Name.Name, node: decl, documented: decl.Doc != nil}
	if decl.Recv != nil {
		receiver := receiverName(decl.Recv.List[0].Type)
		if !token.IsExported(receiver) {
			return nil
		}
		name.text = receiver + "." + name.text
		name.method = true
	}
	if !decl.Name.IsExported() {
		return nil
	}
	return []publicName{name}
}

// publicInGroup reads a const, var or type group. One comment over a group or
// behind a line is enough for constants and variables.
func publicInGroup(decl *ast.GenDecl) []publicName {
	var names []publicName
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() {
				alone := decl.Doc != nil && len(decl.Specs) == 1
				names = append(names, publicName{text: spec.Name.Name, node: spec, documented: spec.Doc != nil || alone})
			}
		case *ast.ValueSpec:
			for _, ident := range spec.Names {
				if ident.IsExported() {
					documented := decl.Doc != nil || spec.Doc != nil || spec.Comment != nil
					names = append(names, publicName{text: ident.Name, node: ident, documented: documented})
				}
			}
		}
	}
	return names
}

// receiverName returns the type that a method belongs to.
func receiverName(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.StarExpr:
		return receiverName(expr.X)
	case *ast.IndexExpr:
		return receiverName(expr.X)
	case *ast.IndexListExpr:
		return receiverName(expr.X)
	case *ast.Ident:
		return expr.Name
	default:
		return ""
	}
}

// leftOvers matches the words of unfinished work. They are put together here
// so that this file does not find itself.
func leftOvers() *regexp.Regexp {
	words := []string{"TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK", "not " + "implemented", "st" + "ub"}
	return regexp.MustCompile(`(?i)\b(` + strings.Join(words, "|") + `)\b`)
}

// LeftOvers finds unfinished work in comments and texts.
func LeftOvers(t *Tree) []Finding {
	var findings []Finding
	words := leftOvers()
	t.files(everyFile, func(_ *Package, f *File) {
		for i, line := range strings.Split(string(f.Source), "\n") {
			if word := words.FindString(line); word != "" {
				findings = append(findings, Finding{Path: f.Path, Line: i + 1, Text: "unfinished: " + word})
			}
		}
	})
	return inOrder(findings)
}

// Names finds packages whose name says nothing.
func Names(t *Tree) []Finding {
	var findings []Finding
	vague := regexp.MustCompile(`^(utils?|common|helpers?|misc|base|shared|lib|types)$`)
	for _, p := range t.Packages {
		if vague.MatchString(p.Name()) {
			findings = append(findings, Finding{Path: p.Dir, Text: "a package is one noun that can be explained in a sentence"})
		}
	}
	return inOrder(findings)
}

// disused returns words that were names once, and what is said now (docs/words.md).
func disused() map[string]string {
	return map[string]string{
		"deed": "event, transition or command", "deeds": "events, transitions or commands",
		"owed": "unstable, lacked or asked", "expectant": "waiting", "guest": "observer", "court": "checker",
	}
}

// Words finds names with a word that the house has another one for.
func Words(t *Tree) []Finding {
	var findings []Finding
	words, pieces := disused(), regexp.MustCompile(`[A-Z]?[a-z]+|[A-Z]+`)
	t.files(onlyCode, func(_ *Package, f *File) {
		told := map[string]bool{}
		ast.Inspect(f.Syntax, func(node ast.Node) bool {
			name, ok := node.(*ast.Ident)
			if !ok || told[name.Name] {
				return true
			}
			for _, word := range pieces.FindAllString(name.Name, -1) {
				if better := words[strings.ToLower(word)]; better != "" {
					told[name.Name] = true
					findings = append(findings, t.at(name, "%s: say %s instead of %s, see docs/words.md", name.Name, better, strings.ToLower(word)))
				}
			}
			return true
		})
	})
	return inOrder(findings)
}
