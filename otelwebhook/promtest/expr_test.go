package promtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// use is a series that an expression selects, with the labels that the expression names of it.
type use struct {
	series   string
	matchers []*labels.Matcher
	grouped  []string
}

// placeholders are Grafana's variables, with what stands for them in a check.
var placeholders = strings.NewReplacer("$__rate_interval", "5m", "$__range", "3h", "$job", ".*")

// uses parses an expression and returns what it uses.
func uses(expr string) (all []use, err error) {
	p := parser.NewParser(parser.Options{})
	tree, err := p.ParseExpr(placeholders.Replace(expr))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	parser.Inspect(tree, func(n parser.Node, path []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		u := use{series: v.Name}
		for _, m := range v.LabelMatchers {
			if m.Name != model.MetricNameLabel {
				u.matchers = append(u.matchers, m)
			}
		}
		for _, above := range path {
			switch n := above.(type) {
			case *parser.AggregateExpr:
				u.grouped = append(u.grouped, n.Grouping...)
			case *parser.BinaryExpr:
				if n.VectorMatching != nil {
					u.grouped = append(u.grouped, n.VectorMatching.MatchingLabels...)
				}
			}
		}
		all = append(all, u)
		return nil
	})
	return all, nil
}

// checkExpr reports what an expression uses that is not exported: a series, a label, or a label's value.
func checkExpr(expr string, exported exports) (series []string, problems []error) {
	all, err := uses(expr)
	if err != nil {
		return nil, []error{err}
	}
	for _, u := range all {
		series = append(series, u.series)
		known := exported[u.series]
		if known == nil {
			problems = append(problems, fmt.Errorf("%s: no series %s is exported", expr, u.series))
			continue
		}
		for _, name := range u.grouped {
			if !targetLabels[name] && known[name] == nil {
				problems = append(problems, fmt.Errorf("%s: %s has no label %s", expr, u.series, name))
			}
		}
		for _, m := range u.matchers {
			if targetLabels[m.Name] {
				continue
			}
			if known[m.Name] == nil {
				problems = append(problems, fmt.Errorf("%s: %s has no label %s", expr, u.series, m.Name))
				continue
			}
			matches := false
			for value := range known[m.Name] {
				matches = matches || m.Matches(value)
			}
			if !matches {
				problems = append(problems, fmt.Errorf("%s: no series of %s has %s", expr, u.series, m))
			}
		}
	}
	slices.Sort(series)
	return slices.Compact(series), problems
}
