package admit

// ring is a list of which each member knows its place, so that it can leave
// from the middle and go to the end in one step.
type ring[T any] struct{ first *link[T] }

type link[T any] struct {
	of         T
	in         *ring[T]
	next, prev *link[T]
}

func (r *ring[T]) push(l *link[T]) {
	if l.in != nil {
		return
	}
	l.in = r
	if r.first == nil {
		l.next, l.prev, r.first = l, l, l
		return
	}
	last := r.first.prev
	l.prev, l.next = last, r.first
	last.next, r.first.prev = l, l
}

func (l *link[T]) leave() {
	r := l.in
	if r == nil {
		return
	}
	if l.next == l {
		r.first = nil
	} else {
		l.prev.next, l.next.prev = l.next, l.prev
		if r.first == l {
			r.first = l.next
		}
	}
	l.in, l.next, l.prev = nil, nil, nil
}

// turn sends the first to the end.
func (r *ring[T]) turn() {
	if r.first != nil {
		r.first = r.first.next
	}
}
