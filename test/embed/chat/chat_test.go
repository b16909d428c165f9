package main

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"chatterbox/chatterboxtest"
)

func TestEverybodySeesTheSameLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chatterboxtest.NewCluster(t, 3, nil)
		ctx, cancel := context.WithCancel(t.Context())
		screens := make([]strings.Builder, 3)
		done := make(chan error, 3)
		for i, name := range c.Names() {
			go func() { done <- listen(ctx, c.Node(name), &screens[i]) }()
		}
		if err := c.Node("c").Ready(ctx); err != nil {
			t.Fatal(err)
		}
		c.Isolate("c") // it writes on, alone
		for _, name := range c.Names() {
			if err := speak(ctx, c.Node(name), strings.NewReader("hello\n\nhow are you?\n")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if !strings.Contains(screens[2].String(), "c: hello ...") {
			t.Errorf("c does not see its own line yet:\n%s", screens[2].String())
		}
		c.HealAll()
		c.Agree()
		synctest.Wait()
		cancel()
		for range c.Names() {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		want := settled(screens[0].String())
		if strings.Count(want, "\n") != 6 {
			t.Errorf("a sees\n%s", want)
		}
		for i := range screens {
			if got := settled(screens[i].String()); got != want {
				t.Errorf("%s sees\n%sbut a sees\n%s", c.Names()[i], got, want)
			}
		}
	})
}

// settled returns the lines that have their place.
func settled(screen string) (lines string) {
	for line := range strings.Lines(screen) {
		if !strings.HasSuffix(line, " ...\n") {
			lines += line
		}
	}
	return lines
}
