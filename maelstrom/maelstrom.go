// Package maelstrom runs a member behind Maelstrom's JSON lines: one more
// world for the same reducers, which outside tools can judge.
package maelstrom
