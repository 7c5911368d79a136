// Package pagecode has a page show just code that is compiled and run.
package pagecode

import (
	"os"
	"strings"
	"testing"
)

// Check fails the test if a block of Go code on the page is in none of the source files, but for
// its indentation, or if there is no such block.
func Check(t testing.TB, page string, sources ...string) {
	t.Helper()
	var code []string
	for _, source := range sources {
		code = append(code, unindented(read(t, source)))
	}
	blocks := strings.Split(read(t, page), "```go\n")[1:]
	if len(blocks) == 0 {
		t.Errorf("there is no Go code in %s", page)
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(strings.Join(code, "\n\n"), unindented(block)) {
			t.Errorf("this code of %s is not in %s:\n%s", page, strings.Join(sources, ", "), block)
		}
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func unindented(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}
