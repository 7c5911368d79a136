package promtest

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"gopkg.in/yaml.v3"
)

const (
	dashboardFile = "../grafana-dashboard.json"
	rulesFile     = "../prometheus-rules.yml"
	operations    = "../../docs/operations.md"
)

type dashboard struct {
	UID        string
	Panels     []panel
	Templating struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage
		}
	}
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct{ Expr, LegendFormat string }
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	data, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readRules(t *testing.T) (rules []rule) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	readYAML(t, rulesFile, &file)
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	return rules
}

func readYAML(t *testing.T, name string, to any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
}

func TestDashboardAndRulesUseWhatIsExported(t *testing.T) {
	t.Parallel()
	d, rules := readDashboard(t), readRules(t)
	var exported exports
	synctest.Test(t, func(t *testing.T) { exported, _ = exportScenario(t) })
	check := func(what, expr string) []string {
		series, problems := checkExpr(expr, exported)
		for _, err := range problems {
			t.Errorf("%s: %v", what, err)
		}
		return series
	}
	shown := map[string]bool{}
	legend := regexp.MustCompile(`\{\{(\w+)\}\}`)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			series := check(p.Title, target.Expr)
			for _, name := range series {
				shown[strings.TrimSuffix(name, "_bucket")] = true
			}
			for _, m := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
				if !exported.hasLabel(series[0], m[1]) || !strings.Contains(target.Expr, "by ("+m[1]+")") {
					t.Errorf("%s: the legend uses %s, which the expression does not have", p.Title, m[1])
				}
			}
		}
	}
	if len(rules) == 0 || len(shown) == 0 {
		t.Errorf("%d rules and %d series on the dashboard", len(rules), len(shown))
	}
	template := regexp.MustCompile(`\$labels\.(\w+)`)
	for _, r := range rules {
		series := check(r.Alert, r.Expr)
		for _, text := range r.Annotations {
			for _, m := range template.FindAllStringSubmatch(text, -1) {
				if !targetLabels[m[1]] {
					t.Errorf("%s: an annotation uses the label %s", r.Alert, m[1])
				}
			}
			for _, word := range regexp.MustCompile(`webhook_\w+_total`).FindAllString(text, -1) {
				if exported[word] == nil {
					t.Errorf("%s: an annotation names %s, which is not exported", r.Alert, word)
				}
			}
		}
		if len(series) == 0 {
			t.Errorf("%s uses no series", r.Alert)
		}
	}
	// What the library knows and the dashboard does not show would be forgotten.
	unshown := []string{"webhook_adopted_events_total", "webhook_matched_events_total", "target_info"}
	for name := range exported {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if !shown[base] && !slices.Contains(unshown, base) {
			t.Errorf("the dashboard does not show %s", base)
		}
	}
}

func TestDashboardIsWhole(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	if d.UID == "" {
		t.Error("it has no uid")
	}
	ids, cells := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if at, taken := ids[p.ID]; taken {
			t.Errorf("%s and %s have the ID %d", p.Title, at, p.ID)
		}
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if at, taken := cells[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("%s lies over %q or the border", p.Title, at)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && (p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0) {
			t.Errorf("panel %d (%s) lacks a title, a description, a unit or a query", p.ID, p.Title)
		}
	}
	variables := map[string]bool{}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
	}
	if !variables["datasource"] || !variables["job"] {
		t.Errorf("its variables are %v", variables)
	}
}

func TestRulesSayWhatToDo(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	headings, anchors := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(page), -1) {
		headings[m[1]] = true
		anchors[strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	quoted := regexp.MustCompile(`"([A-Z][^"]+)"`)
	for _, r := range readRules(t) {
		if r.For == "" || r.Annotations["summary"] == "" || r.Labels["severity"] != "critical" && r.Labels["severity"] != "warning" {
			t.Errorf("%s lacks a for, a severity or a summary", r.Alert)
		}
		_, anchor, _ := strings.Cut(r.Annotations["runbook_url"], "docs/operations.md#")
		if !anchors[anchor] {
			t.Errorf("%s: docs/operations.md has no section #%s", r.Alert, anchor)
		}
		sections := quoted.FindAllStringSubmatch(r.Annotations["description"], -1)
		if len(sections) == 0 || !strings.Contains(r.Annotations["description"], "docs/operations.md") {
			t.Errorf("%s names no section of docs/operations.md", r.Alert)
		}
		for _, m := range sections {
			if !headings[m[1]] {
				t.Errorf("%s: docs/operations.md has no section %q", r.Alert, m[1])
			}
		}
	}
}
