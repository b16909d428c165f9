package tidy

import (
	"os"
	"path/filepath"
	"testing"
)

// project loads the source of the project once for each test that asks.
func project(t *testing.T) *Tree {
	t.Helper()
	tree, err := Load(os.DirFS(filepath.Join("..", "..")))
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
func TestNothingIsLeftUnfinished(t *testing.T)        { none(t, LeftOvers) }
func TestPackagesHaveTellingNames(t *testing.T)       { none(t, Names) }
func TestFilesAreShort(t *testing.T)                  { none(t, FileSizes) }
func TestFunctionsCanBeSeenAtOnce(t *testing.T)       { none(t, FuncSizes) }
func TestRootIsNarrow(t *testing.T)                   { none(t, RootNames) }
func TestNothingHidesInPackageVariables(t *testing.T) { none(t, Variables) }
func TestProductionNeverMakesMutants(t *testing.T)    { none(t, Mutants) }
func TestLinksInDocumentsResolve(t *testing.T)        { none(t, Links) }
func TestDocumentsNameSourcesThatExist(t *testing.T)  { none(t, Sources) }
func TestArchitectureNamesEveryRoom(t *testing.T)     { none(t, Rooms) }
