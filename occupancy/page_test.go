package occupancy_test

import (
	"testing"

	"github.com/pushhooks/webhook/internal/pagecode"
)

func TestTheHostsPageShowsCodeThatRuns(t *testing.T) {
	t.Parallel()
	pagecode.Check(t, "../docs/hosts.md", "example_host_test.go", "example_nodes_test.go")
}
