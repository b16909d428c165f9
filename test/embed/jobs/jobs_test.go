package jobs

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox/chatterboxtest"
)

func TestEachJobIsDoneOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs = 30
		c := chatterboxtest.New(t, chatterboxtest.Config{Seed: 1, Trace: true})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		taken := make(chan string)
		boards := map[string]*Board{}
		for _, name := range c.Names() {
			b := New(c.Node(name))
			boards[name] = b
			go func() { _ = b.Run(ctx) }() // ends with ctx
			for i := range 2 {
				go work(ctx, b, fmt.Sprint(name, i), taken)
			}
		}
		c.Play(`
			0s  a <-> b  drop 30%
			0s  b -> c   delay 5ms..50ms
			0s  c -> a   repeat 20%
		`)
		for i := range jobs {
			name := c.Names()[i%3]
			for range 2 { // somebody tries again, though all is well
				if err := boards[name].Add(ctx, fmt.Sprint("job", i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		done := map[string]bool{}
		for range jobs {
			job := <-taken
			if done[job] {
				t.Errorf("%s was done twice", job)
			}
			done[job] = true
		}
		c.HealAll()
		select {
		case job := <-taken:
			t.Errorf("%s comes after all", job)
		case <-time.After(10 * time.Second):
		}
	})
}

func work(ctx context.Context, b *Board, worker string, taken chan<- string) {
	for {
		job, err := b.Take(ctx, worker)
		if err != nil {
			return
		}
		select {
		case taken <- job:
		case <-ctx.Done():
			return
		}
	}
}
