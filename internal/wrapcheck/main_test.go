package main

import (
	"slices"
	"strings"
	"testing"
)

func TestTheOutputOfAnExampleIsNotWrapped(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 25)
	text := "package p\n\n// " + long + "\nfunc Example() {\n\t// Output:\n\t// short\n\t// " + long + "\n}\n\n// " + long + "\n"
	if got := longComments([]byte(text)); !slices.Equal(got, []int{3, 10}) {
		t.Errorf("lines %v are too long; want 3 and 10, and not line 7, which an example prints", got)
	}
}
