package explore

import (
	"sync"
	"sync/atomic"
)

const (
	shards = 64 // parts that a table is divided into, so that tasks seldom wait for each other
	// A store grows by pieces, so that what it holds never moves.
	pieceBits = 12
	piecesMax = 1 << 14
)

// store keeps values of one kind, each hash once, and numbers them from 1.
// Which number a value gets is chance, so nothing that is visible may depend on
// it.
type store[T any] struct {
	numbers [shards]struct {
		sync.Mutex // guards of
		of         map[uint64]uint32
	}
	mutex  sync.Mutex // guards count and the making of pieces
	count  uint32
	pieces [piecesMax]atomic.Pointer[[1 << pieceBits]*T]
}

// put keeps a value and gives its number: that of an earlier one if the hash
// was met before.
func (s *store[T]) put(finger uint64, value *T) uint32 {
	shard := &s.numbers[finger%shards]
	shard.Lock()
	defer shard.Unlock()
	if number, ok := shard.of[finger]; ok {
		return number
	}
	if shard.of == nil {
		shard.of = map[uint64]uint32{}
	}
	number := s.add(value)
	shard.of[finger] = number
	return number
}

func (s *store[T]) add(value *T) uint32 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.count++
	piece := &s.pieces[s.count>>pieceBits]
	if piece.Load() == nil {
		piece.Store(new([1 << pieceBits]*T))
	}
	piece.Load()[s.count&(1<<pieceBits-1)] = value
	return s.count
}

// get returns the value of a number that put gave.
func (s *store[T]) get(number uint32) *T {
	return s.pieces[number>>pieceBits].Load()[number&(1<<pieceBits-1)]
}

func (s *store[T]) len() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return int(s.count)
}
