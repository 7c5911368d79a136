package otelwebhook

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/pushhooks/webhook"
)

// other is the value that stands for all that an attribute does not list, as in the semantic
// conventions.
const other = "_OTHER"

// eventTypes are those that the library knows.
var eventTypes = []webhook.EventType{
	webhook.TypeChannelOccupied, webhook.TypeChannelVacated, webhook.TypeMemberAdded, webhook.TypeMemberRemoved,
	webhook.TypeMemberUpdated, webhook.TypeClientEvent, webhook.TypeCacheMiss, webhook.TypeSubscriptionCount,
	webhook.TypeAIRunStarted, webhook.TypeAIRunEnded, webhook.TypeAITurnStarted, webhook.TypeAITurnEnded,
	webhook.TypeAICancelRequested, webhook.TypeAIStreamCancelled, webhook.TypeAIStreamOrphaned,
	webhook.TypeMessageVersionCreated, webhook.TypeAnnotationCreated, webhook.TypeAnnotationDeleted,
}

// reasons are the words of dispatch.Outcome.Reason and of dead letters' reasons, as docs/operations.md and
// docs/lambda.md list them. Senders of a host's own may return others.
var reasons = strings.Fields(`
	status redirect gone too_large timeout canceled dns connect connect_timeout proxy tls tls_timeout reset
	header_too_large bad_answer blocked_address bad_request local
	function_error throttled service function_not_found rejected access_denied credentials client
	panic unknown unknown_verdict
	too_old app_removed webhook_removed key_removed unknown_app unknown_webhook unknown_key disabled
	bad_signature older_version newer_version unreadable`)

// errorTypes are the values of error.type: the reasons, and of an answer with a failed status, as the
// conventions want it, the status if it has a name.
var errorTypes = append(statuses(), reasons...)

func statuses() (all []string) {
	for code := 100; code < 600; code++ {
		if http.StatusText(code) != "" {
			all = append(all, strconv.Itoa(code))
		}
	}
	return all
}

// index numbers the values of an attribute, from 1. 0 is other.
type index map[string]int

func newIndex[T ~string](lists ...[]T) (index, []string) {
	in, names := index{}, []string{other}
	for _, list := range lists {
		for _, name := range list {
			if _, ok := in[string(name)]; !ok {
				in[string(name)] = len(names)
				names = append(names, string(name))
			}
		}
	}
	return in, names
}

// reasonWord returns the word that a dead letter's reason begins with.
func reasonWord(reason string) string {
	word, _, _ := strings.Cut(reason, ":")
	return word
}

// errorType returns the error.type of a failed attempt.
func errorType(reason string, status int) string {
	if reason == "status" && http.StatusText(status) != "" {
		return strconv.Itoa(status)
	}
	return reason
}
