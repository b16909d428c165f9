package diagram

import "fmt"

// cellsMax is how many numbers a page may hold: some 12 MiB, which a browser
// opens in a second or two.
const cellsMax = 2_500_000

// The numbers that a frame and a batch take in a page, and a batch for each
// member.
const (
	cellsOfFrame  = 5
	cellsOfBatch  = 8
	cellsOfHolder = 4
)

// reduced is what of a run goes into a page.
type reduced struct {
	batches []int32
	frames  []int32
	notice  string

	batchPlace []int32 // of each batch of the run: its place here, or -1
	framePlace []int32
}

// reduced chooses what goes into so many numbers: everything, else without the
// frames that carry nothing new, else one batch in two, in four and so on, each
// with its whole story.
func (r *Run) reduced(most int) reduced {
	for _, worst := range []rank{rankRest, rankAgain, rankLost} {
		if c := r.reduce(1, worst); c.cells(r) <= most {
			return c
		}
	}
	for stride := 2; ; stride *= 2 {
		if c := r.reduce(stride, rankLost); c.cells(r) <= most || stride >= len(r.Batches) {
			return c
		}
	}
}

// reduce chooses one batch in stride, and of the frames those of a rank and
// better that belong to a chosen batch or to none.
func (r *Run) reduce(stride int, worst rank) reduced {
	c := reduced{batchPlace: make([]int32, len(r.Batches)), framePlace: make([]int32, len(r.Frames))}
	for i := range r.Batches {
		c.batchPlace[i] = nothing
		if sampled(int32(i), stride) {
			c.batchPlace[i] = int32(len(c.batches))
			c.batches = append(c.batches, int32(i))
		}
	}
	wanted := make([]bool, len(r.Frames))
	for i := range r.Frames {
		wanted[i] = stride == 1 && r.Frames[i].rank <= worst
		for _, batch := range r.carries(&r.Frames[i]) {
			wanted[i] = wanted[i] || r.Frames[i].rank <= worst && c.batchPlace[batch] != nothing
		}
	}
	for _, i := range c.batches {
		for m := range r.names() {
			if by := r.Batches[i].settledBy[m]; by != nothing {
				wanted[by] = true
			}
		}
	}
	for i := range r.Frames {
		c.framePlace[i] = nothing
		if wanted[i] {
			c.framePlace[i] = int32(len(c.frames))
			c.frames = append(c.frames, int32(i))
		}
	}
	switch {
	case stride > 1:
		c.notice = fmt.Sprintf("this page holds one in %s of %s and %s of %s, for it would be too large", grouped(uint64(stride)), count(len(r.Batches), "batch"), grouped(uint64(len(c.frames))), count(len(r.Frames), "frame"))
	case worst != rankRest:
		c.notice = fmt.Sprintf("this page holds %s of %s, those with something new, for it would be too large", grouped(uint64(len(c.frames))), count(len(r.Frames), "frame"))
	}
	return c
}

func (c *reduced) cells(r *Run) int {
	return len(c.frames)*cellsOfFrame + len(c.batches)*(cellsOfBatch+cellsOfHolder*len(r.names()))
}

// frame returns the place of a frame of the run, or -1.
func (c *reduced) frame(i int32) int32 {
	if i == nothing {
		return nothing
	}
	return c.framePlace[i]
}

// batchesOf returns the places of those of some batches that are here.
func (c *reduced) batchesOf(batches []int32) []int32 { return placesOf(batches, c.batchPlace) }

// framesOf returns the places of those of some frames that are here.
func (c *reduced) framesOf(frames []int32) []int32 { return placesOf(frames, c.framePlace) }

func placesOf(of, places []int32) []int32 {
	kept := []int32{}
	for _, i := range of {
		if places[i] != nothing {
			kept = append(kept, places[i])
		}
	}
	return kept
}
