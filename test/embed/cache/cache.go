// Package cache keeps values of a slow source near, and drops them everywhere
// as soon as somebody says that they have changed.
package cache

import (
	"context"
	"errors"
	"sync"

	"chatterbox"
)

// Cache is one member's. Run keeps it fresh.
type Cache struct {
	node   *chatterbox.Node
	source func(ctx context.Context, key string) (string, error)

	mu     sync.Mutex // guards all below
	values map[string]string
	drops  uint64 // counts what was dropped
}

// New returns a cache in front of a source.
func New(node *chatterbox.Node, source func(ctx context.Context, key string) (string, error)) *Cache {
	return &Cache{node: node, source: source, values: map[string]string{}}
}

// Get returns the value of a key, from here if it is here. A value that was
// dropped somewhere while the source was asked is not kept.
func (c *Cache) Get(ctx context.Context, key string) (string, error) {
	c.mu.Lock()
	value, ok := c.values[key]
	drops := c.drops
	c.mu.Unlock()
	if ok {
		return value, nil
	}
	value, err := c.source(ctx, key)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drops == drops {
		c.values[key] = value
	}
	return value, nil
}

// Changed announces that a key has another value now: all members drop what they
// have.
func (c *Cache) Changed(ctx context.Context, key string) error {
	_, err := c.node.Broadcast(ctx, []byte(key))
	return err
}

// Run drops what has changed until ctx ends or the node is closed. It reads by
// the batch, for keys are short and many, and needs nothing twice. What it
// missed it does not know, so then it drops everything.
func (c *Cache) Run(ctx context.Context) error {
	after := c.node.Status().Settled
	for {
		for batch, err := range c.node.Batches(ctx, after) {
			if errors.Is(err, chatterbox.ErrCompacted) {
				break
			}
			if err != nil {
				return err
			}
			c.drop(batch)
			after = batch.Last()
			c.node.Compact(after)
		}
		c.dropAll()
		after = c.node.Status().Settled
	}
}

func (c *Cache) drop(batch chatterbox.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch.Len() {
		delete(c.values, string(batch.Payload(i)))
	}
	c.drops++
}

func (c *Cache) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.values)
	c.drops++
}
