package tidy

import (
	"fmt"
	"go/ast"
	"strings"
)

const (
	fileLinesMax   = 499 // lines of a file
	funcLinesMax   = 70  // lines of a function, from func to its brace
	funcLinesFew   = 50  // above this is allowed for a few only
	fewOf          = 100 // one function in so many may be above funcLinesFew
	stateFieldsMax = 20  // fields of a state of a reducer
	rootNamesMax   = 30  // public names of the root package, methods not counted
)

// FileSizes finds files that are too long to hold one idea.
func FileSizes(t *Tree) []Finding {
	var findings []Finding
	t.files(everyFile, func(_ *Package, f *File) {
		if n := lineCount(f.Source); n > fileLinesMax {
			findings = append(findings, Finding{Path: f.Path, Text: fmt.Sprintf("%d lines, at most %d are allowed", n, fileLinesMax)})
		}
	})
	return inOrder(findings)
}

// FuncSizes finds functions that cannot be seen at once: all above
// funcLinesMax, and those above funcLinesFew where they are not few.
func FuncSizes(t *Tree) []Finding {
	var tooLong, long []Finding
	count := 0
	t.files(everyFile, func(_ *Package, f *File) {
		for _, decl := range f.Syntax.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			count++
			finding := func() Finding {
				return t.at(function.Name, "%s has %d lines, at most %d are allowed, and few above %d",
					function.Name.Name, t.lines(function), funcLinesMax, funcLinesFew)
			}
			switch n := t.lines(function); {
			case n > funcLinesMax:
				tooLong = append(tooLong, finding())
			case n > funcLinesFew:
				long = append(long, finding())
			}
		}
	})
	if few := max(1, count/fewOf); len(long) > few {
		tooLong = append(tooLong, long...)
	}
	return inOrder(tooLong)
}

// protocolRooms are where reducers decide: a state that nobody can hold in the
// head is several machines.
const protocolRooms = "internal/core/protocol"

// StateSizes finds structs of reducers with too many fields, but for what they
// are made from.
func StateSizes(t *Tree) []Finding {
	var findings []Finding
	t.files(onlyCode, func(p *Package, f *File) {
		if !strings.HasPrefix(p.Dir, protocolRooms+"/") {
			return
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name == "Config" {
				return true
			}
			if state, ok := spec.Type.(*ast.StructType); ok && state.Fields.NumFields() > stateFieldsMax {
				findings = append(findings, t.at(spec.Name, "%s has %d fields, at most %d are allowed", spec.Name.Name, state.Fields.NumFields(), stateFieldsMax))
			}
			return true
		})
	})
	return inOrder(findings)
}

// RootNames finds a public API that has grown too wide to be learnt.
func RootNames(t *Tree) []Finding {
	for _, p := range t.Packages {
		if p.Dir != "." {
			continue
		}
		count := 0
		for _, f := range p.Code() {
			for _, name := range publicNames(f) {
				if !name.method {
					count++
				}
			}
		}
		if count > rootNamesMax {
			return []Finding{{Path: ".", Text: fmt.Sprintf("%d public names, at most %d are allowed", count, rootNamesMax)}}
		}
	}
	return nil
}
