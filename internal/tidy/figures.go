package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// Figures tell how much of a reducer there is to understand.
type Figures struct {
	Room                 string
	Lines, Comments      int // of production code, and those of them that are comments
	Functions            int
	Median, P95, Longest int // lines of a function
	Fields               int // of the largest struct of its state
	Times                int // stored times: fields with a time or a duration
	Thresholds           int // constants
	Mutants              int // patches that leave out a rule
	Branches             int // mentions of mutants in its own code
}

// FiguresOf returns the figures of a room of the protocols.
func FiguresOf(t *Tree, room string) Figures {
	f := Figures{Room: room, Mutants: t.patches(room)}
	var lengths []int
	t.files(onlyCode, func(p *Package, file *File) {
		if p.Dir != path.Join(protocolRooms, room) {
			return
		}
		f.Lines += lineCount(file.Source)
		f.Branches += strings.Count(strings.ToLower(string(file.Source)), "mutant")
		for _, group := range file.Syntax.Comments {
			f.Comments += t.lines(group)
		}
		ast.Inspect(file.Syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				lengths = append(lengths, t.lines(n))
			case *ast.TypeSpec:
				f.state(n)
			case *ast.GenDecl:
				if n.Tok == token.CONST {
					f.Thresholds += len(n.Specs)
				}
			}
			return true
		})
	})
	if slices.Sort(lengths); len(lengths) > 0 {
		last := len(lengths) - 1
		f.Functions, f.Median, f.P95, f.Longest = len(lengths), lengths[last/2], lengths[last*95/100], lengths[last]
	}
	return f
}

// state counts what a struct keeps.
func (f *Figures) state(spec *ast.TypeSpec) {
	state, ok := spec.Type.(*ast.StructType)
	if !ok || spec.Name.Name == "Config" {
		return
	}
	f.Fields = max(f.Fields, state.Fields.NumFields())
	for _, field := range state.Fields.List {
		kind := field.Type
		if list, ok := kind.(*ast.ArrayType); ok {
			kind = list.Elt
		}
		if of, ok := kind.(*ast.SelectorExpr); ok && (of.Sel.Name == "Duration" || of.Sel.Name == "Time" && fmt.Sprint(of.X) == "time") {
			f.Times += max(1, len(field.Names))
		}
	}
}

// patches counts the mutants of a room.
func (t *Tree) patches(room string) int {
	count := 0
	for name := range t.paths {
		if strings.HasPrefix(name, path.Join("internal/proof/mutant", room)+"/") && path.Ext(name) == ".patch" {
			count++
		}
	}
	return count
}

// Table returns figures as a table in Markdown, a column for each room.
func Table(all ...Figures) string {
	var text strings.Builder
	row := func(name string, cell func(*Figures) string) {
		text.WriteString("| " + name + " |")
		for i := range all {
			text.WriteString(" " + cell(&all[i]) + " |")
		}
		text.WriteString("\n")
	}
	number := func(name string, of func(*Figures) int) {
		row(name, func(f *Figures) string { return fmt.Sprint(of(f)) })
	}
	row("", func(f *Figures) string { return f.Room })
	row("---", func(*Figures) string { return "---" })
	number("lines", func(f *Figures) int { return f.Lines })
	number("of them comments", func(f *Figures) int { return f.Comments })
	row("functions: how many, median, 95 of 100, longest", func(f *Figures) string {
		return fmt.Sprintf("%d: %d, %d, %d", f.Functions, f.Median, f.P95, f.Longest)
	})
	number("fields of the largest struct", func(f *Figures) int { return f.Fields })
	number("stored times", func(f *Figures) int { return f.Times })
	number("thresholds", func(f *Figures) int { return f.Thresholds })
	number("mutants and rules to leave out", func(f *Figures) int { return f.Mutants })
	number("branches for mutants", func(f *Figures) int { return f.Branches })
	return text.String()
}
