package redisqueue

import (
	"context"
	"slices"
)

// partList is how much of a list that is spread over the partitions one of them has told.
type partList[T any] struct {
	items []T
	all   bool // there are no more
}

// last returns the last item that is known, or nil.
func (l *partList[T]) last() *T {
	if len(l.items) == 0 {
		return nil
	}
	return &l.items[len(l.items)-1]
}

// first returns the first items, up to limit, of a list that is spread over the partitions. It asks
// each partition for its share of them, and then for more those whose next item may be one of them.
// more returns a partition's items after the last one, or from its first one on if that is nil, in
// order: at least n unless there are fewer.
func first[T any](
	ctx context.Context, q *Queue, limit int, compare func(a, b *T) int, more func(p *partition, last *T, n int) ([]T, error),
) ([]T, error) {
	parts := make([]partList[T], len(q.parts))
	share := limit / len(parts)
	n := min(limit, share+share/4+8) // the shares differ by chance
	for {
		var all []T
		for i := range parts {
			all = append(all, parts[i].items...)
		}
		slices.SortFunc(all, func(a, b T) int { return compare(&a, &b) })
		all = all[:min(limit, len(all))]
		asked := make([]bool, len(parts))
		for i := range parts {
			l := &parts[i]
			asked[i] = !l.all && (l.last() == nil || len(all) < limit || compare(l.last(), &all[limit-1]) < 0)
		}
		if !slices.Contains(asked, true) {
			return all, nil
		}
		pages, err := gather(ctx, q, func(p *partition) ([]T, error) {
			if !asked[p.number] {
				return nil, nil
			}
			return more(p, parts[p.number].last(), n)
		})
		if err != nil {
			return nil, err
		}
		for i, page := range pages {
			if asked[i] {
				parts[i].items, parts[i].all = append(parts[i].items, page...), len(page) < n
			}
		}
	}
}
