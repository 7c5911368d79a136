package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestQuickstartShowsEveryEventArriving(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"POST /all", "POST /members", "X-Pusher-Signature: ", "Authorization: Bearer my-token",
		`"name":"channel_occupied"`, `"name":"channel_vacated"`, `"event":"client-typing"`, `"name":"member_added"`, `"name":"member_removed"`,
		`signature verified with the secret of "my-key"`, "5 events emitted, 5 delivered in 2 requests",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not shown: %s", want)
		}
	}
}
