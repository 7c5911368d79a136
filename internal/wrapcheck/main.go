// Command wrapcheck holds Go comments and Markdown prose to 100 columns, a tab counting as four. It
// reads the names of files from standard input, one a line, and exits with 1 if a line is too long.
//
// Lines that cannot be wrapped are exempt: directives, code blocks, tables, headings, link
// definitions, the output of examples, and lines that are one word (a URL, a path).
package main

import (
	"bufio"
	"fmt"
	"go/scanner"
	"go/token"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"
)

const limit = 100

func main() {
	status := 0
	names := bufio.NewScanner(os.Stdin)
	for names.Scan() {
		name := names.Text()
		text, err := os.ReadFile(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		long := longProse
		if strings.HasSuffix(name, ".go") {
			long = longComments
		}
		for _, line := range long(text) {
			fmt.Printf("%s:%d: more than %d columns\n", name, line, limit)
			status = 1
		}
	}
	os.Exit(status)
}

var (
	directive = regexp.MustCompile(`^//[a-z]+:\S`)
	output    = regexp.MustCompile(`(?i)^//\s*(unordered )?output:`)
	fence     = regexp.MustCompile("^\\s*(```|~~~)")
	exempt    = regexp.MustCompile(`^(\s*\||#|\[[^\]]+\]: )`)
)

// longComments returns the lines of a Go file whose comments are too long. Indented comment lines,
// which show code, are exempt.
func longComments(text []byte) (lines []int) {
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, scanner.ScanComments)
	for printed := false; ; {
		pos, tok, comment := s.Scan()
		if tok == token.EOF {
			return lines
		}
		// What an example prints is compared line by line, up to the end of its function.
		printed = tok == token.COMMENT && (printed || output.MatchString(comment))
		if tok != token.COMMENT || printed || directive.MatchString(comment) || strings.HasPrefix(comment, "//\t") {
			continue
		}
		first := file.Line(pos)
		for i, line := range strings.Split(comment, "\n") {
			if i == 0 {
				line = string(text[file.Offset(file.LineStart(first)):file.Offset(pos)]) + line
			}
			if tooLong(line) && breakable(strings.TrimLeft(comment, "/* \t")) {
				lines = append(lines, first+i)
			}
		}
	}
}

// longProse returns the lines of a Markdown file that are too long.
func longProse(text []byte) (lines []int) {
	code := false
	for i, line := range strings.Split(string(text), "\n") {
		if fence.MatchString(line) {
			code = !code
			continue
		}
		prose := strings.TrimLeft(line, " >-*0123456789.")
		if !code && !exempt.MatchString(line) && tooLong(line) && breakable(prose) {
			lines = append(lines, i+1)
		}
	}
	return lines
}

func tooLong(line string) bool {
	return utf8.RuneCountInString(line)+3*strings.Count(line, "\t") > limit
}

// breakable reports whether the text has a space to break the line at.
func breakable(text string) bool { return strings.Contains(strings.TrimSpace(text), " ") }
