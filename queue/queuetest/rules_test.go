package queuetest

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestRulesAreThoseOfPackageQueue(t *testing.T) {
	t.Parallel()
	source := rulesInSource(t, "../queue.go")
	maps.Copy(source, rulesInSource(t, "../dead_letters.go"))
	for id, text := range source {
		if rules[id] != text {
			t.Errorf("rule %s is quoted as\n\t%s\nand package queue says\n\t%s", id, rules[id], text)
		}
	}
	for id := range rules {
		if source[id] == "" {
			t.Errorf("rule %s is not in package queue", id)
		}
	}
}

func TestEveryRuleHasAGroupOfChecks(t *testing.T) {
	t.Parallel()
	var checked []string
	for _, group := range groups() {
		checked = append(checked, group[0].rule)
	}
	for _, id := range slices.Sorted(maps.Keys(rules)) {
		if !slices.Contains(checked, id) {
			t.Errorf("rule %s is not checked", id)
		}
	}
	slices.Sort(checked)
	if unique := slices.Compact(slices.Clone(checked)); len(unique) != len(checked) {
		t.Errorf("the checks of a rule are in more than one group: %v", checked)
	}
}

var (
	ruleStart = regexp.MustCompile(`^//\t([A-Z][0-9])  (.*)$`)
	ruleMore  = regexp.MustCompile(`^//\t    (\S.*)$`)
)

// rulesInSource parses the rules out of comments: a line that begins with the rule's name, and the
// lines that are indented as far as its text.
func rulesInSource(t *testing.T, path string) map[string]string {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	id := ""
	for line := range strings.Lines(string(source)) {
		line = strings.TrimSpace(line)
		if m := ruleStart.FindStringSubmatch(line); m != nil {
			id = m[1]
			found[id] = m[2]
		} else if m := ruleMore.FindStringSubmatch(line); m != nil && id != "" {
			found[id] += " " + m[1]
		} else {
			id = ""
		}
	}
	return found
}
