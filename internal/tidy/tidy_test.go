package tidy

import (
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// load reads the source of the project once, for all tests.
var load = sync.OnceValues(func() (*Tree, error) { return Load(os.DirFS(filepath.Join("..", ".."))) })

// project returns the source of the project.
func project(t *testing.T) *Tree {
	t.Helper()
	tree, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Packages) < 4 || tree.Documents[architecture] == "" {
		t.Fatalf("this is not the project: %d packages, %d documents", len(tree.Packages), len(tree.Documents))
	}
	return tree
}

// none fails with every finding, so that one run shows all there is to mend.
func none(t *testing.T, rule func(*Tree) []Finding) {
	t.Helper()
	for _, finding := range rule(project(t)) {
		t.Error(finding)
	}
}

func TestImportsPointOneWay(t *testing.T)             { none(t, Imports) }
func TestCoreIsFreeOfDependencies(t *testing.T)       { none(t, Dependencies) }
func TestPureRoomsNeverReachForTheWorld(t *testing.T) { none(t, Purity) }
func TestTestsDoNotSleep(t *testing.T)                { none(t, Sleeps) }
func TestPublicNamesAreDocumented(t *testing.T)       { none(t, Comments) }
func TestCommentsSayWhatFunctionsReturn(t *testing.T) { none(t, Godoc) }
func TestLoopsLookWhyTheyEnded(t *testing.T)          { none(t, Endings) }
func TestNothingIsLeftUnfinished(t *testing.T)        { none(t, LeftOvers) }
func TestPackagesHaveTellingNames(t *testing.T)       { none(t, Names) }
func TestNamesAreOfTheHouse(t *testing.T)             { none(t, Words) }
func TestFilesAreShort(t *testing.T)                  { none(t, FileSizes) }
func TestFunctionsCanBeSeenAtOnce(t *testing.T)       { none(t, FuncSizes) }
func TestStatesAreMachines(t *testing.T)              { none(t, StateSizes) }
func TestRootIsNarrow(t *testing.T)                   { none(t, RootNames) }
func TestPublicTypesAreOwn(t *testing.T)              { none(t, PublicTypes) }
func TestNothingHidesInPackageVariables(t *testing.T) { none(t, Variables) }
func TestProductionNeverMakesMutants(t *testing.T)    { none(t, Mutants) }
func TestLinksInDocumentsResolve(t *testing.T)        { none(t, Links) }
func TestDocumentsNameSourcesThatExist(t *testing.T)  { none(t, Sources) }
func TestArchitectureNamesEveryRoom(t *testing.T)     { none(t, Rooms) }

// source is what the figures are of: another checkout shows what was before.
var source = flag.String("source", "../..", "the folder of the source that the figures are of")

// TestFiguresOfTheReducers prints them (make figures), and finds reducers that
// nobody can hold in the head.
func TestFiguresOfTheReducers(t *testing.T) {
	tree, err := Load(os.DirFS(*source))
	if err != nil {
		t.Fatal(err)
	}
	var all []Figures
	for _, room := range []string{"delta", "lockstep", "roster", "synod"} {
		f := FiguresOf(tree, room)
		if f.Lines == 0 {
			continue // the room was not there yet
		}
		if *source == "../.." && (f.Branches > 0 || f.Fields > stateFieldsMax || f.Median > 10) {
			t.Errorf("%+v: a reducer has no branches for mutants, states of at most %d fields, and short functions", f, stateFieldsMax)
		}
		all = append(all, f)
	}
	t.Logf("\n%s", Table(all...))
}
