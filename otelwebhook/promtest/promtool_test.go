package promtest

import (
	"os"
	"os/exec"
	"testing"
)

const unitTests = "testdata/rules_test.yml"

// promtool runs Prometheus's own checker, or skips the test where servers are not required.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("WEBHOOK_TEST_SERVERS") == "require" {
			t.Fatal("promtool is missing: scripts/servers.sh installs it")
		}
		t.Skip("promtool is not installed: scripts/servers.sh installs it")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

func TestPromtoolChecksTheRules(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", rulesFile)
}

func TestPromtoolFiresTheAlerts(t *testing.T) {
	t.Parallel()
	promtool(t, "test", "rules", unitTests)
}

// Each alert is seen to fire and not to fire.
func TestEachAlertHasUnitTests(t *testing.T) {
	t.Parallel()
	var file struct {
		Tests []struct {
			Alerts []struct {
				Name string     `yaml:"alertname"`
				Exp  []struct{} `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	readYAML(t, unitTests, &file)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, a := range test.Alerts {
			if len(a.Exp) > 0 {
				fires[a.Name] = true
			} else {
				silent[a.Name] = true
			}
		}
	}
	for _, r := range readRules(t) {
		if !fires[r.Alert] || !silent[r.Alert] {
			t.Errorf("%s: a test fires it: %v; one does not: %v", r.Alert, fires[r.Alert], silent[r.Alert])
		}
	}
}
