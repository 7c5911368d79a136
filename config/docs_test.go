package config

import (
	"os"
	"strings"
	"testing"
)

func TestThePageListsEveryVariable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	names := append([]string(nil), passedOver...)
	for _, v := range (&loader{Config: &Config{}}).variables() {
		names = append(names, v.name)
	}
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("%s is not on the page", name)
		}
	}
	for _, name := range otherReliability {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("queue.reliability.%s is not on the page", name)
		}
	}
}
