package scheduler

// list is a doubly linked list whose nodes are fields of their items, so that moving an item
// between lists allocates nothing. A node is in at most one list.
type list[T any] struct {
	front, back *node[T]
	len         int
}

// node links its item into a list.
type node[T any] struct {
	item       *T
	prev, next *node[T]
	in         *list[T]
}

func (l *list[T]) pushBack(n *node[T]) {
	n.in, n.prev, n.next = l, l.back, nil
	if l.back == nil {
		l.front = n
	} else {
		l.back.next = n
	}
	l.back = n
	l.len++
}

func (l *list[T]) pushFront(n *node[T]) {
	n.in, n.prev, n.next = l, nil, l.front
	if l.front == nil {
		l.back = n
	} else {
		l.front.prev = n
	}
	l.front = n
	l.len++
}

// leave takes the node out of its list, if it is in one.
func (n *node[T]) leave() {
	l := n.in
	if l == nil {
		return
	}
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
	n.in, n.prev, n.next = nil, nil, nil
	l.len--
}
