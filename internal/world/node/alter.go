package node

import "context"

type alterKey struct{}

// Alter returns a context with which the public face opens a node whose
// configuration a function has changed: that is how tests and commands reach
// what no application needs.
func Alter(ctx context.Context, change func(*Config)) context.Context {
	return context.WithValue(ctx, alterKey{}, change)
}

// Alteration returns what Alter put into a context; it may be called in any
// case.
func Alteration(ctx context.Context) func(*Config) {
	if change, ok := ctx.Value(alterKey{}).(func(*Config)); ok {
		return change
	}
	return func(*Config) {}
}
