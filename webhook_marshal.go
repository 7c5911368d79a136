package webhook

import (
	"encoding/json"
	"time"
)

// MarshalJSON writes the app as the JSON file has it, with REDACTED for its secrets and header
// values.
func (a App) MarshalJSON() ([]byte, error) {
	keys := make([]keyJSON, len(a.PreviousKeys))
	for i, k := range a.PreviousKeys {
		keys[i] = keyJSON(k)
	}
	return json.Marshal(struct {
		ID           string    `json:"id"`
		Key          string    `json:"key"`
		Secret       Secret    `json:"secret"`
		PreviousKeys []keyJSON `json:"previous_keys,omitempty"`
		Enabled      bool      `json:"enabled"`
		Webhooks     []Webhook `json:"webhooks,omitempty"`
	}{a.ID, a.Key, a.Secret, keys, !a.Disabled, a.Webhooks})
}

type keyJSON struct {
	Key    string `json:"key"`
	Secret Secret `json:"secret"`
}

// MarshalJSON writes the key as the JSON file has it, with REDACTED for its secret.
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal(keyJSON(k)) }

// MarshalJSON writes the webhook as the JSON file has it, with REDACTED for its header values and
// for the user, the path and the query of its URL.
func (w Webhook) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID             string      `json:"id,omitempty"`
		URL            string      `json:"url,omitempty"`
		Lambda         *lambdaJSON `json:"lambda,omitempty"`
		EventTypes     []EventType `json:"event_types"`
		Filter         Filter      `json:"filter,omitzero"`
		Headers        Headers     `json:"headers,omitempty"`
		InfoAsString   bool        `json:"user_info_as_string,omitempty"`
		Retry          Retry       `json:"retry,omitzero"`
		RequestTimeout int64       `json:"request_timeout_ms,omitempty"`
		Ordered        bool        `json:"ordered,omitempty"`
		RateLimit      RateLimit   `json:"rate_limit,omitzero"`
	}{
		w.ID, shownURL(w.URL), (*lambdaJSON)(w.Lambda), w.EventTypes, w.Filter, w.Headers,
		w.UserInfoAsString, w.Retry, millis(w.RequestTimeout), w.Ordered, w.RateLimit,
	})
}

type lambdaJSON Lambda

func (l lambdaJSON) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		FunctionName   string `json:"function_name"`
		Region         string `json:"region,omitempty"`
		InvocationType string `json:"invocation_type,omitempty"`
		Envelope       bool   `json:"envelope,omitempty"`
	}{l.FunctionName, l.Region, l.InvocationType, l.Envelope})
}

// MarshalJSON writes the names, with REDACTED for every value.
func (h Headers) MarshalJSON() ([]byte, error) { return json.Marshal(h.redacted()) }

// MarshalJSON writes the filter as the JSON file has it.
func (f Filter) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Prefix     string   `json:"channel_prefix,omitempty"`
		Suffix     string   `json:"channel_suffix,omitempty"`
		Pattern    string   `json:"channel_pattern,omitempty"`
		Namespace  string   `json:"channel_namespace,omitempty"`
		Namespaces []string `json:"channel_namespaces,omitempty"`
		Exclude    string   `json:"channel_exclude_prefix,omitempty"`
	}{f.ChannelPrefix, f.ChannelSuffix, f.ChannelPattern, f.ChannelNamespace, f.ChannelNamespaces, f.ChannelExcludePrefix})
}

// MarshalJSON writes the policy as the JSON file has it, durations rounded up to whole
// milliseconds.
func (r Retry) MarshalJSON() ([]byte, error) {
	var enabled *bool
	if r.unlessOne && r.MaxAttempts == 0 {
		enabled = new(true)
	}
	return json.Marshal(struct {
		Enabled        *bool `json:"enabled,omitempty"`
		MaxAttempts    int   `json:"max_attempts,omitempty"`
		MaxElapsed     int64 `json:"max_elapsed_time_ms,omitempty"`
		MaxAge         int64 `json:"max_age_ms,omitempty"`
		InitialBackoff int64 `json:"initial_backoff_ms,omitempty"`
		MaxBackoff     int64 `json:"max_backoff_ms,omitempty"`
	}{enabled, r.MaxAttempts, millis(r.MaxElapsed), millis(r.MaxAge), millis(r.InitialBackoff), millis(r.MaxBackoff)})
}

// MarshalJSON writes the limit as the JSON file has it.
func (l RateLimit) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		PerSecond float64 `json:"per_second,omitempty"`
		Burst     int     `json:"burst,omitempty"`
	}{l.PerSecond, l.Burst})
}

// millis returns d in milliseconds, rounded up so that a short duration does not become none.
func millis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
