package failure_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/proof/failure"
)

// TestShippedMapsKeepTheirForm: names are claims, a comment tells what happens
// and how it ends, the map binds for five members and is written in columns.
func TestShippedMapsKeepTheirForm(t *testing.T) {
	shipped := failure.Shipped()
	if len(shipped) < 12 {
		t.Fatalf("only %d maps", len(shipped))
	}
	name := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+){2,}$`)
	for _, s := range shipped {
		t.Run(s.Name, func(t *testing.T) {
			if !name.MatchString(s.Name) {
				t.Error("the name is not a claim in words")
			}
			partial := strings.Contains(s.Text, "\n# Ends partial: ")
			if !strings.HasPrefix(s.Text, "# ") || partial == s.Complete {
				t.Error("the comment must tell what happens and how it ends")
			}
			schedule, err := s.Map().Bind(letters(5))
			if err != nil {
				t.Fatal(err)
			}
			if _, more := schedule.Next(-1); !more && len(schedule.Members()) == 0 && !schedule.Absent(4) {
				t.Error("nothing happens")
			}
			if schedule.Last() > 6*time.Second {
				t.Errorf("the last change is at %v, too late for 3 s and 5 s", schedule.Last())
			}
			checkColumns(t, s)
		})
	}
}

func checkColumns(t *testing.T, s failure.Shipment) {
	_, lines, _ := strings.Cut(s.Text, "\n\n")
	if written := s.Map().String(); written != lines {
		t.Errorf("written as\n%s\nit comes back as\n%s", lines, written)
	}
}

// TestPageOfFailureMapsIsTrue reads the examples of the documentation: maps
// parse, and wrong ones give the errors that stand below them.
func TestPageOfFailureMapsIsTrue(t *testing.T) {
	data, err := os.ReadFile("../../../docs/failure-maps.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for _, s := range failure.Shipped() {
		if !strings.Contains(page, "`"+s.Name+"`") {
			t.Errorf("the page does not name %s", s.Name)
		}
	}
	block := regexp.MustCompile("(?s)```(\\S+)\n(.*?)```")
	wrong, maps, errs := "", 0, 0
	for _, match := range block.FindAllStringSubmatch(page, -1) {
		switch kind, text := match[1], match[2]; kind {
		case "failure-map":
			maps++
			if _, err := parse(t, text).Bind(letters(5)); err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
		case "failure-map-wrong":
			wrong = text
		case "failure-map-errors":
			errs++
			m, err := failure.Parse(strings.NewReader(wrong), "drill.txt")
			if err == nil {
				_, err = m.Bind(letters(5))
			}
			if err == nil {
				err = m.WithoutChanges()
			}
			if err == nil || strings.TrimSpace(text) != err.Error() {
				t.Errorf("the page says\n%s\nand the program\n%v", text, err)
			}
		}
	}
	if maps < 5 || errs == 0 {
		t.Errorf("%d maps and %d errors on the page", maps, errs)
	}
}
