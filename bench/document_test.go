package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSectionReplacesItsOwnPart(t *testing.T) {
	t.Parallel()
	const document = "# Title\n<!-- a: written by the benchmark -->\nold\n<!-- end of a -->\nbetween\n" +
		"<!-- b: written by the benchmark -->\nkept\n<!-- end of b -->\n"
	got, err := replaceSection(document, "a", "| new |\n\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(document, "old", "| new |", 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, broken := range []string{"", "<!-- a: written by the benchmark -->\nno end"} {
		if got, err := replaceSection(broken, "a", "x"); err == nil {
			t.Errorf("a document without markers became %q, want an error", got)
		}
	}
}

// Every section that the modes write has a place in the document of this repository.
func TestDocumentHasEverySection(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", documentFile))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, documentFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"throughput", "steady", "idle", "scale"} {
		s := &section{name: name}
		s.text.WriteString("text of " + name)
		if err := s.write(folder); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	after, err := os.ReadFile(filepath.Join(folder, documentFile))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(after), "text of "); n != 4 {
		t.Errorf("%d sections were written, want 4", n)
	}
}
