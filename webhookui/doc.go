// Package webhookui is a status page for an [webhook.Emitter]: which webhooks fail, since when and
// why, what waits, and the dead letters, with buttons to mend it. It is an [http.Handler] that a
// host mounts under any path:
//
//	ui, err := webhookui.New(em, webhookui.Options{Access: webhookui.Password("ops", password)})
//	// …
//	mux.Handle("/webhooks/", http.StripPrefix("/webhooks", ui))
//
// The page has relative links alone, so it need not be told where it is mounted, nor that a proxy
// cuts a prefix. It works without JavaScript; with it, it updates itself every few seconds.
//
// It shows no secret, no header value and no more of a URL than scheme and host. What receivers and
// clients sent is escaped. See docs/status-page.md for what is promised on security.
package webhookui
