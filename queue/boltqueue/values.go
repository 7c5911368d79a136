package boltqueue

// values is memory for what the jobs of a group are written from. A transaction needs it until it
// ends, so that the next one can have it again: of large jobs that halves what there is to collect.
type values struct {
	rest  []byte // of the block
	block []byte
}

// The sizes of a block. An emitter hands over 2 MiB in a call at most.
const (
	minValues = 16 << 10
	maxValues = 2 << 20
)

// reset has the memory used again.
func (v *values) reset() { v.rest = v.block }

// room returns an empty slice with room for n bytes. It is valid until reset.
func (v *values) room(n int) []byte {
	if n > len(v.rest) {
		v.block = make([]byte, min(maxValues, max(minValues, 2*len(v.block))))
		if v.rest = v.block; n > len(v.rest) {
			return make([]byte, 0, n)
		}
	}
	b := v.rest[:0:n]
	v.rest = v.rest[n:]
	return b
}
