package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"chatterbox"
	"chatterbox/internal/cli"
	"chatterbox/internal/core/member"
	"chatterbox/internal/job"
	"chatterbox/internal/job/cluster"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/serve"
	"chatterbox/internal/show/dashboard"
	"chatterbox/internal/show/film"
	"chatterbox/internal/show/outlook"
)

// newPage serves a dashboard and says where.
func newPage(console *cli.Console, config dashboard.Config) (*dashboard.Dashboard, error) {
	config.Log = console.Logger(false)
	page, err := dashboard.New(config)
	if err != nil {
		return nil, fmt.Errorf("--dashboard %s: %w", config.Address, err)
	}
	console.Notef("dashboard=%s", page.URL())
	if config.Act != nil && page.ReadOnly() {
		console.Notef("note: the page is read-only, for %s is not a loopback address", config.Address)
	}
	return page, nil
}

// actTimeout is how long a click may wait for the run.
const actTimeout = 2 * time.Second

// watch lets a page show the run and change it.
func (s *show) watch(config *cluster.Config) error {
	changes := make(chan cluster.Change)
	page, err := newPage(s.console, dashboard.Config{
		Address: s.dashboard, Mode: dashboard.Live, Title: s.title, Header: config.Header, Data: config.DataDir != "",
		Act: func(event failure.Event) error {
			answer := make(chan error, 1)
			timeout := time.After(actTimeout)
			select {
			case changes <- cluster.Change{Event: event, Answer: answer}:
			case <-timeout:
				return errors.New("the run does not answer: it is over, or busy")
			}
			select {
			case err := <-answer:
				return err
			case <-timeout:
				return errors.New("the run does not answer: what becomes of it is not known")
			}
		},
	})
	if err != nil {
		return err
	}
	s.page = page
	config.Watch, config.Changes = page, changes
	thinned := make([]uint64, config.Members)
	progress := config.Progress
	config.Progress = func(id member.ID, p job.Progress) {
		if p.Thinned > thinned[id] {
			page.Thinned(p.Thinned - thinned[id])
		}
		thinned[id] = p.Thinned
		progress(id, p)
	}
	return nil
}

// stay ends the run on the page, which stays while somebody watches.
func (s *show) stay() {
	if s.page == nil {
		return
	}
	s.page.End()
	if s.page.Watchers() > 0 {
		s.console.Notef("the page stays while it is open; an interrupt ends it")
	}
	s.page.Wait(s.interrupted)
}

// close ends the page.
func (s *show) close() {
	if s.page != nil {
		_ = s.page.Close()
	}
}

// page serves the page of a member that stays, if it is wanted: show begins to
// look at the node, end ends it.
func (c *serveCommand) page(console *cli.Console, door *serve.Door) (show func(context.Context, *chatterbox.Node), end func(), err error) {
	if c.Dashboard.Value == "" {
		return func(context.Context, *chatterbox.Node) {}, func() {}, nil
	}
	config := dashboard.Config{Address: c.Dashboard.Value, Mode: dashboard.Served, Title: c.called(), Guard: door.Listen}
	for _, m := range c.founders() {
		config.Header.Members = append(config.Header.Members, m.Name)
	}
	if c.tokens != nil {
		config.Allowed = c.tokens.MayRead
	}
	page, err := newPage(console, config)
	if err != nil {
		return nil, nil, err
	}
	var looking sync.WaitGroup
	show = func(ctx context.Context, n *chatterbox.Node) {
		looking.Go(func() {
			for more := true; more; {
				status := n.Status()
				var view *outlook.Outlook
				view = outlook.New(&status, time.Now(), func(step *film.Step) { page.Show(step, view) })
				page.Renew(view.Names())
				more = view.Watch(ctx, n, func() bool { return page.Watchers() > 0 })
			}
		})
	}
	return show, func() { looking.Wait(); _ = page.Close() }, nil
}
