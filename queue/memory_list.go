package queue

// list is a doubly linked list whose nodes are fields of their items, so that moving an item between lists
// allocates nothing. A node is in at most one list.
type list[T any] struct {
	front, back *node[T]
	len         int
}

// node links its item into a list.
type node[T any] struct {
	prev, next *node[T]
	item       *T
}

func (l *list[T]) pushBack(n *node[T]) {
	n.prev, n.next = l.back, nil
	if l.back == nil {
		l.front = n
	} else {
		l.back.next = n
	}
	l.back = n
	l.len++
}

func (l *list[T]) pushFront(n *node[T]) {
	n.prev, n.next = nil, l.front
	if l.front == nil {
		l.back = n
	} else {
		l.front.prev = n
	}
	l.front = n
	l.len++
}

func (l *list[T]) remove(n *node[T]) {
	if n.prev == nil {
		l.front = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.back = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.prev, n.next = nil, nil
	l.len--
}

// delays is a heap of jobs by the end of their delay, for container/heap.
type delays []*memoryJob

func (d delays) Len() int           { return len(d) }
func (d delays) Less(i, k int) bool { return d[i].due.Before(d[k].due) }
func (d delays) Swap(i, k int)      { d[i], d[k] = d[k], d[i] }
func (d *delays) Push(j any)        { *d = append(*d, j.(*memoryJob)) }

func (d *delays) Pop() any {
	last := len(*d) - 1
	j := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return j
}
