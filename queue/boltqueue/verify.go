package boltqueue

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
)

// bbolt trusts its file: at a damaged page it panics, some of it in a goroutine of its own, where
// nobody can recover. So the pages are verified before it opens the file for writing, in this file,
// without mapping it. What is verified is all that bbolt relies on: that pages are there, of their
// kind, used once, with their keys in order and inside of them. The values are not.

// Of a page, in bytes.
const (
	pageHeader = 16 // id 8, flags 2, count 2, overflow 4
	// of a branch: position 4, key 4, page 8; of a leaf: flags 4, position 4, key 4, value 4
	pageElement = 16

	branchFlag, leafFlag, freelistFlag = 1, 2, 16
	bucketHeader                       = 16 // root page 8, sequence 8

	minPage, maxPage = 1 << 10, 16 << 20

	// deepest is how deep a tree may be; ten levels hold more than any file.
	deepest = 64
)

// Of a meta page, behind its header.
const (
	metaMagic, metaVersion = 0xED0CDAED, 2
	metaSum                = 56 // where the checksum is
	metaLen                = 64

	noFreelist int64 = -1
)

var native = binary.NativeEndian

// meta is what a meta page tells.
type meta struct {
	pageSize int64
	root     uint64 // page
	freelist int64  // page, or noFreelist
	pages    int64  // how many the file uses
	tx       uint64
}

// readMeta returns the file's latest state, and an error if it is no bbolt file, is cut short or
// has no whole meta page.
func readMeta(f io.ReaderAt, size int64) (meta, error) {
	first, err := metaAt(f, 0)
	if err != nil {
		return first, err
	}
	m := first
	low, high := int64(minPage), int64(maxPage)
	if first.pageSize > 0 {
		low, high = first.pageSize, first.pageSize
	}
	for at := low; at <= high; at *= 2 { // the second one is behind a page of its size
		second, err := metaAt(f, at)
		if err != nil {
			return second, err
		}
		if second.pageSize == at && (first.pageSize == 0 || first.pageSize == at && second.tx > first.tx) {
			m = second
		}
	}
	switch {
	case m.pageSize == 0 && !hasMagic(f):
		return m, errNotQueue
	case m.pageSize == 0 && size < 2*minPage:
		return m, fmt.Errorf("%w: it is cut short: it has %d bytes", errDamaged, size)
	case m.pageSize == 0:
		return m, fmt.Errorf("%w: both of its first pages are", errDamaged)
	case m.pages > size/m.pageSize:
		return m, fmt.Errorf("%w: it is cut short: it has %d bytes, and its %d pages of %d bytes take %d",
			errDamaged, size, m.pages, m.pageSize, m.pages*m.pageSize)
	}
	return m, nil
}

// metaAt reads a meta page. Its page size is 0 if it is not whole.
func metaAt(f io.ReaderAt, at int64) (meta, error) {
	b := make([]byte, metaLen)
	if _, err := f.ReadAt(b, at+pageHeader); err == io.EOF {
		return meta{}, nil
	} else if err != nil {
		return meta{}, err
	}
	sum := fnv.New64a()
	sum.Write(b[:metaSum])
	m := meta{
		pageSize: int64(native.Uint32(b[8:])), root: native.Uint64(b[16:]), freelist: int64(native.Uint64(b[32:])),
		pages: int64(native.Uint64(b[40:])), tx: native.Uint64(b[48:]),
	}
	if native.Uint32(b) != metaMagic || native.Uint32(b[4:]) != metaVersion || native.Uint64(b[metaSum:]) != sum.Sum64() ||
		m.pageSize < minPage || m.pageSize > maxPage || m.pages < 0 {
		return meta{}, nil
	}
	return m, nil
}

// hasMagic reports whether a file with damaged meta pages is bbolt's nevertheless.
func hasMagic(f io.ReaderAt) bool {
	b := make([]byte, 4)
	_, err := f.ReadAt(b, pageHeader)
	return err == nil && native.Uint32(b) == metaMagic
}

// verifier verifies the pages of a file.
type verifier struct {
	meta
	file    io.ReaderAt
	used    []uint64        // a bit for each page
	buffers [deepest][]byte // for the page under way at each depth
}

// verify returns an error unless every page that the file uses is as bbolt needs it.
func verify(f io.ReaderAt, size int64) error {
	m, err := readMeta(f, size)
	if err != nil {
		return err
	}
	v := &verifier{meta: m, file: f, used: make([]uint64, m.pages/64+1)}
	v.used[0] = 3 // the meta pages
	if _, err := v.tree(m.root, true, keyRange{}, 0); err != nil {
		return err
	}
	if m.freelist == noFreelist {
		return nil
	}
	return v.freePages(uint64(m.freelist))
}

// page is a page, or a bucket's only page in the value of its bucket.
type page struct {
	id           uint64
	flags, count uint16
	size         int64  // with the pages that it goes on in
	read         []byte // its beginning
	from         io.ReaderAt
	at           int64
}

// damaged returns an error for a page.
func (p *page) damaged(format string, args ...any) error {
	return fmt.Errorf("%w: page %d %s", errDamaged, p.id, fmt.Sprintf(format, args...))
}

// page reads a page that has to be of one of these kinds, and uses it.
func (v *verifier) page(id uint64, kinds uint16, depth int) (*page, error) {
	p := &page{id: id, from: v.file, at: int64(id) * v.pageSize, size: v.pageSize}
	switch {
	case id < 2 || id >= uint64(v.pages):
		return nil, p.damaged("is beyond the %d pages that there are", v.pages)
	case depth >= deepest:
		return nil, p.damaged("is deeper than any")
	case v.buffers[depth] == nil:
		v.buffers[depth] = make([]byte, v.pageSize)
	}
	p.read = v.buffers[depth]
	if _, err := v.file.ReadAt(p.read, p.at); err != nil {
		return nil, err
	}
	if got := native.Uint64(p.read); got != id {
		return nil, p.damaged("has the number %d", got)
	}
	p.flags, p.count = native.Uint16(p.read[8:]), native.Uint16(p.read[10:])
	if p.flags&kinds == 0 || bits.OnesCount16(p.flags) != 1 {
		return nil, p.damaged("is of the wrong kind %#x", p.flags)
	}
	more := int64(native.Uint32(p.read[12:]))
	if int64(id)+more >= v.pages {
		return nil, p.damaged("goes on beyond the %d pages that there are", v.pages)
	}
	p.size += more * v.pageSize
	for n := int64(id); n <= int64(id)+more; n++ {
		if v.used[n/64]&(1<<(n%64)) != 0 {
			return nil, p.damaged("is used twice")
		}
		v.used[n/64] |= 1 << (n % 64)
	}
	return p, nil
}

// bytes returns n bytes of the page.
func (p *page) bytes(at, n int64) ([]byte, error) {
	switch {
	case at+n > p.size:
		return nil, p.damaged("has an element beyond its end")
	case at+n <= int64(len(p.read)):
		return p.read[at : at+n], nil
	}
	b := make([]byte, n)
	_, err := p.from.ReadAt(b, p.at+at)
	return b, err
}

// element is one of a page's.
type element struct {
	key    []byte
	child  uint64 // of a branch
	bucket bool   // of a leaf
	value  int64  // of a leaf: where its value begins
	length int64  // of a leaf: how long its value is
}

// element reads one of a page's elements.
func (p *page) element(i int) (e element, err error) {
	at := pageHeader + int64(i)*pageElement
	b, err := p.bytes(at, pageElement)
	if err != nil {
		return e, err
	}
	pos, length := int64(native.Uint32(b)), int64(native.Uint32(b[4:]))
	if p.flags == branchFlag {
		e.child = native.Uint64(b[8:])
	} else {
		e.bucket = native.Uint32(b)&1 != 0
		pos, length = length, int64(native.Uint32(b[8:]))
		e.value, e.length = at+pos+length, int64(native.Uint32(b[12:]))
		if e.value+e.length > p.size {
			return e, p.damaged("has a value beyond its end")
		}
	}
	e.key, err = p.bytes(at+pos, length)
	return e, err
}

// keyRange is which keys belong into a page.
type keyRange struct {
	from   []byte // nil: no limit
	after  bool   // from is not one of them
	before []byte // nil: no limit
}

func (r *keyRange) has(key []byte) bool {
	c := 1
	if r.from != nil {
		c = bytes.Compare(key, r.from)
	}
	return (c > 0 || c == 0 && !r.after) && (r.before == nil || bytes.Compare(key, r.before) < 0)
}

// tree verifies the tree below a page and returns its last key. The leaves of the root have
// buckets, and no others have. What it returns is valid until the next page is read at the same
// depth.
func (v *verifier) tree(id uint64, root bool, keys keyRange, depth int) (last []byte, err error) {
	p, err := v.page(id, branchFlag|leafFlag, depth)
	switch {
	case err != nil:
		return nil, err
	case p.flags == leafFlag:
		return v.leaf(p, root, keys, depth)
	case p.count == 0:
		return nil, p.damaged("is empty")
	}
	next, err := p.element(0)
	for i := range int(p.count) {
		e := next
		if err != nil {
			return nil, err
		}
		if !keys.has(e.key) {
			return nil, p.damaged("has key %x where it does not belong", e.key)
		}
		below := keyRange{from: e.key, before: keys.before}
		if i+1 < int(p.count) {
			if next, err = p.element(i + 1); err != nil {
				return nil, err
			}
			below.before = next.key
		}
		if last, err = v.tree(e.child, root, below, depth+1); err != nil {
			return nil, err
		}
		keys.from, keys.after = last, true
	}
	return last, nil
}

// leaf verifies a leaf and returns its last key.
func (v *verifier) leaf(p *page, root bool, keys keyRange, depth int) (last []byte, err error) {
	for i := range int(p.count) {
		e, err := p.element(i)
		if err != nil {
			return nil, err
		}
		if !keys.has(e.key) {
			return nil, p.damaged("has key %x where it does not belong", e.key)
		}
		if e.bucket != root {
			return nil, p.damaged("has a bucket where none belongs, or none where one does")
		}
		if root {
			if err := v.bucket(p, &e, depth); err != nil {
				return nil, err
			}
		}
		last = e.key
		keys.from, keys.after = last, true
	}
	return last, nil
}

// bucket verifies the bucket that is in a leaf of the root. A small one is in its value.
func (v *verifier) bucket(in *page, e *element, depth int) error {
	b, err := in.bytes(e.value, e.length)
	switch {
	case err != nil:
		return err
	case len(b) < bucketHeader:
		return in.damaged("has bucket %q of %d bytes", e.key, len(b))
	}
	if id := native.Uint64(b); id != 0 {
		_, err := v.tree(id, false, keyRange{}, depth+1)
		return err
	}
	b = b[bucketHeader:]
	if len(b) < pageHeader || native.Uint16(b[8:]) != leafFlag {
		return in.damaged("has bucket %q without a page", e.key)
	}
	p := &page{id: in.id, flags: leafFlag, count: native.Uint16(b[10:]), size: int64(len(b)), read: b}
	_, err = v.leaf(p, false, keyRange{}, depth)
	return err
}

// freePages verifies the list of free pages. This package writes none; other programs do.
func (v *verifier) freePages(id uint64) error {
	p, err := v.page(id, freelistFlag, 0)
	if err != nil {
		return err
	}
	at, count := int64(pageHeader), int64(p.count)
	if count == 0xFFFF {
		b, err := p.bytes(at, 8)
		if err != nil {
			return err
		}
		at, count = at+8, int64(native.Uint64(b))
	}
	if count < 0 || count > v.pages {
		return p.damaged("has %d free pages of %d", count, v.pages)
	}
	b, err := p.bytes(at, 8*count)
	if err != nil {
		return err
	}
	for ; len(b) > 0; b = b[8:] {
		n := native.Uint64(b)
		if n >= uint64(v.pages) || v.used[n/64]&(1<<(n%64)) != 0 {
			return p.damaged("has the free page %d, which is used", n)
		}
		v.used[n/64] |= 1 << (n % 64)
	}
	return nil
}
