package lanes

import "slices"

// namePage collects the first names after a given one. It sorts when it has twice as many as it
// needs, so that not all names are sorted.
type namePage struct {
	after string
	limit int
	names []string
	last  string // names beyond it are not on the page; "" until it is known
}

func (p *namePage) add(name string) {
	if name <= p.after || p.last != "" && name >= p.last {
		return
	}
	if p.names = append(p.names, name); len(p.names)/2 >= p.limit {
		p.sorted()
		p.last = p.names[p.limit-1]
	}
}

// sorted returns the page.
func (p *namePage) sorted() []string {
	slices.Sort(p.names)
	p.names = p.names[:min(p.limit, len(p.names))]
	return p.names
}
