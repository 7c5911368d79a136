package webhook

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// Matching takes a pattern's compiled size times the channel's length. These two and
// maxChannelBytes bound what one pattern costs an Emit, at worst 15 ms for the longest channel and
// 0.4 ms for one of 200 bytes (BenchmarkMatch).
const (
	maxPatternBytes = 1000
	maxPatternSize  = 500 // instructions; package regexp's quicker machine takes no more
)

// filter refuses what cannot be compiled, and what would let no channel through unnoticed.
func (c *checker) filter(path string, f *Filter) {
	if problem := patternProblem(f.ChannelPattern); problem != "" {
		c.failf(path+".channel_pattern", "is %q, which %s", shorten(f.ChannelPattern), problem)
	}
	if x := f.ChannelExcludePrefix; x != "" && strings.HasPrefix(f.ChannelPrefix, x) {
		c.failf(path+".channel_exclude_prefix", "is %q, with which channel_prefix begins too, so no channel would match", shorten(x))
	}
	if f.ChannelNamespaces != nil {
		c.namespaces(path+".channel_namespaces", f.ChannelNamespaces)
	}
	if f.ChannelNamespace != "" {
		c.namespace(path+".channel_namespace", f.ChannelNamespace)
	}
	if one := f.ChannelNamespace; one != "" && len(f.ChannelNamespaces) > 0 && !slices.Contains(f.ChannelNamespaces, one) {
		c.failf(path+".channel_namespace", "is %q, which is not among channel_namespaces, so no channel would match", quotable(one))
	}
}

func (c *checker) namespaces(path string, names []string) {
	if len(names) == 0 {
		c.failf(path, "is empty, so no channel would match; name a namespace or leave it out")
	}
	for i, ns := range names {
		if ns == "" {
			c.failf(index(path, i), `is empty; a namespace is what stands before the ":" in a channel's name`)
		}
		c.namespace(index(path, i), ns)
	}
}

func (c *checker) namespace(path, ns string) {
	if strings.Contains(ns, ":") {
		c.failf(path, `is %q; a namespace ends before the first ":" of a channel's name and has none`, quotable(ns))
	}
}

// patternProblem says what is wrong with a pattern that is not empty, "" if nothing is.
func patternProblem(pattern string) string {
	if len(pattern) > maxPatternBytes {
		return fmt.Sprintf("is %d bytes long; at most %d bytes, which compile to at most %d instructions",
			len(pattern), maxPatternBytes, maxPatternSize)
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "is not a regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return "is not a regular expression: " + err.Error()
	}
	if n := len(program.Inst); n > maxPatternSize {
		return fmt.Sprintf("is %d bytes long and compiles to %d instructions; at most %d bytes and %d instructions: "+
			"repeat less, as in .* for .{0,1000}", len(pattern), n, maxPatternBytes, maxPatternSize)
	}
	return ""
}
