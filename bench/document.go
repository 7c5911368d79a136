package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Files that -write changes, below the folder that it names.
const (
	documentFile = "benchmarks.md"
	chartFile    = "images/throughput.svg"
)

// section is a part of the document, between markers that bear its name.
type section struct {
	name string
	text strings.Builder
}

// show adds to the section, and prints what it adds.
func (s *section) show(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Print(text)
	s.text.WriteString(text)
}

// write puts the section into the document in a folder, unless none is given.
func (s *section) write(folder string) error {
	if folder == "" {
		return nil
	}
	path := filepath.Join(folder, documentFile)
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	after, err := replaceSection(string(before), s.name, s.text.String())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(after), 0o644)
}

// replaceSection replaces what is between a section's markers.
func replaceSection(document, name, text string) (string, error) {
	begin, end := "<!-- "+name+": written by the benchmark -->\n", "<!-- end of "+name+" -->"
	before, rest, ok := strings.Cut(document, begin)
	if !ok {
		return "", fmt.Errorf("there is no line %q", strings.TrimSpace(begin))
	}
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("there is no line %q after that of its beginning", end)
	}
	return before + begin + strings.TrimRight(text, "\n") + "\n" + end + after, nil
}

// surroundings tells on what a section was measured, and how to do it again.
func surroundings(rounds int) string {
	text := fmt.Sprintf("%s, %d CPUs, %s %s/%s, %s", processor(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, redisVersion())
	return fmt.Sprintf("%s; %s; load %s at the beginning.\nMeasured with `cd bench && go run . %s`.\n",
		text, plural(rounds, "round"), load(), strings.Join(os.Args[1:], " "))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// processor returns the processor's name.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	_, rest, _ := strings.Cut(string(text), "model name")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(line, "\t :")
}

// load returns the load average of the last minute, by which a reader can tell a quiet run.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func redisVersion() string {
	out, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		return "no Redis"
	}
	_, rest, _ := strings.Cut(string(out), "v=")
	version, _, _ := strings.Cut(rest, " ")
	return "Redis " + version
}
