package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// identities returns the identity of each of an app's webhooks: its ID or, without one, a hash of
// its target, and its ordinal among the webhooks with that target. So nothing else about a webhook
// changes who it is, and two webhooks with one URL stay two.
func identities(webhooks []Webhook) []string {
	ids := make([]string, len(webhooks))
	seen := make(map[string]int, len(webhooks))
	for i := range webhooks {
		target := webhooks[i].target()
		ordinal := seen[target]
		seen[target]++
		if ids[i] = webhooks[i].ID; ids[i] == "" {
			ids[i] = targetIdentity(target, ordinal)
		}
	}
	return ids
}

// target names where the webhook delivers.
func (w *Webhook) target() string {
	if w.Lambda != nil {
		return "lambda:" + w.Lambda.Region + ":" + w.Lambda.FunctionName
	}
	return "url:" + w.URL
}

// sameTarget reports whether the webhooks deliver to the same place.
func (w *Webhook) sameTarget(o *Webhook) bool {
	if w.Lambda == nil || o.Lambda == nil {
		return w.Lambda == o.Lambda && w.URL == o.URL
	}
	return w.Lambda.Region == o.Lambda.Region && w.Lambda.FunctionName == o.Lambda.FunctionName
}

func targetIdentity(target string, ordinal int) string {
	sum := sha256.Sum256([]byte(target))
	id := hex.AppendEncode(append(make([]byte, 0, 32), "wh_"...), sum[:6])
	if ordinal > 0 {
		id = strconv.AppendInt(append(id, '-'), int64(ordinal), 10)
	}
	return string(id)
}
