package prospect

import (
	"fmt"
	"strings"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
)

// describe returns the components of a to d, whom death meets, and whether all
// can end well.
func describe(t *testing.T, text string) string {
	t.Helper()
	breaks, err := failure.Parse(strings.NewReader(text), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	list := make(member.List, 4)
	for i := range list {
		list[i] = member.Member{Name: string(rune('a' + i)), Host: "127.0.0.1", Port: i + 1}
	}
	schedule, err := breaks.Bind(list)
	if err != nil {
		t.Fatal(err)
	}
	p := Of(schedule, len(list))
	var first, dies string
	for id := range member.ID(len(list)) {
		if p.Lives(id) {
			first += list[p.First(id)].Name
		} else {
			first += "-"
		}
		if p.Dies(id) {
			dies += list[id].Name
		}
	}
	return fmt.Sprintf("%s dies=%s whole=%t meshed=%t", first, dies, p.Whole(), p.Meshed())
}

func TestProspects(t *testing.T) {
	for claim, c := range map[string]struct{ text, want string }{
		"all is well":                   {"", "aaaa dies= whole=true meshed=true"},
		"healed is well":                {"1s a <-> * cut\n2s * <-> * heal", "aaaa dies= whole=true meshed=true"},
		"halves stay apart":             {"1s a,b <-> c,d cut", "aacc dies= whole=false meshed=false"},
		"a chain connects":              {"0s a <-> c,d cut\n0s b <-> d cut", "aaaa dies= whole=true meshed=false"},
		"one way does not connect":      {"0s a,b -> c,d cut", "aacc dies= whole=false meshed=false"},
		"a ring of one-way links does":  {"0s a -> c,d cut\n0s b -> a,d cut\n0s c -> a,b cut\n0s d -> b,c cut", "aaaa dies= whole=true meshed=false"},
		"the dead do not connect":       {"0s a <-> c,d cut\n1s b crash", "a-cc dies=b whole=false meshed=false"},
		"a restart lives, having died":  {"1s b crash\n2s b restart", "aaaa dies=b whole=true meshed=false"},
		"a late start is no death":      {"2s b start", "aaaa dies= whole=true meshed=true"},
		"who never starts is dead":      {"0s b crash", "a-aa dies=b whole=true meshed=false"},
		"who pauses and resumes is not": {"1s b pause\n2s b resume", "aaaa dies= whole=true meshed=true"},
	} {
		t.Run(claim, func(t *testing.T) {
			if got := describe(t, c.text); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
