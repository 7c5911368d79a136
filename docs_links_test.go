package webhook_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	markdownLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	markdownHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	markdownCode    = regexp.MustCompile("(?s)```.*?```")
	notInAnchor     = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// Links between the pages of the documentation lead to files, and to headings, that exist.
func TestDocumentationLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md") {
		for _, m := range markdownLink.FindAllStringSubmatch(readPage(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link %s leads to no file", page, m[1])
			} else if anchor != "" && !hasHeading(readPage(t, target), anchor) {
				t.Errorf("%s: the link %s leads to no heading", page, m[1])
			}
		}
	}
}

func readPage(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return markdownCode.ReplaceAllString(string(text), "")
}

// hasHeading reports whether a page has a heading with GitHub's anchor.
func hasHeading(text, anchor string) bool {
	for _, m := range markdownHeading.FindAllStringSubmatch(text, -1) {
		heading := notInAnchor.ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(heading, " ", "-") == anchor {
			return true
		}
	}
	return false
}
