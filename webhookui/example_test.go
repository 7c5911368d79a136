package webhookui_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/webhookui"
)

func Example() {
	em, err := webhook.New(webhook.Options{Apps: []webhook.App{{
		ID: "my-app", Key: "my-key", Secret: "my-secret",
		Webhooks: []webhook.Webhook{{ID: "billing", URL: "https://example.com/hook", EventTypes: []webhook.EventType{webhook.TypeMemberAdded}}},
	}}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = em.Close() }()

	ui, err := webhookui.New(em, webhookui.Options{Access: webhookui.Password("ops", "a long password")})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", http.StripPrefix("/webhooks", ui))
	server := httptest.NewServer(mux)
	defer server.Close()

	for _, password := range []string{"a guess", "a long password"} {
		r, err := http.NewRequest(http.MethodGet, server.URL+"/webhooks/", nil)
		if err != nil {
			log.Fatal(err)
		}
		r.SetBasicAuth("ops", password)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		page, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(answer.StatusCode, strings.Contains(string(page), "billing"))
	}
	// Output:
	// 401 false
	// 200 true
}

// Some may change things and others may only look.
func ExamplePassword() {
	ops, team := webhookui.Password("ops", "a long password"), webhookui.Password("team", "another one")
	access := func(r *http.Request) webhookui.Access {
		if ops(r) == webhookui.Write {
			return webhookui.Write
		}
		if team(r) == webhookui.Write {
			return webhookui.Read
		}
		return webhookui.Challenge
	}
	for _, login := range [][2]string{{"ops", "a long password"}, {"team", "another one"}, {"ops", "another one"}} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.SetBasicAuth(login[0], login[1])
		fmt.Println(login[0], access(r))
	}
	// Output:
	// ops write
	// team read
	// ops challenge
}
