// Package explore searches small worlds exhaustively: two or three members
// with a few batches, and every order in which messages arrive, are lost or
// repeated, ticks pass, and members crash, up to stated bounds.
package explore
