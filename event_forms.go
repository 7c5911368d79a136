package webhook

import "slices"

// forms are an event's encodings. Webhooks with UserInfoAsString get one of their own.
type forms struct {
	data []byte
	// with user_info as a string; nil if no webhook wants it, or there is no user_info
	asText []byte
}

// formsFor encodes the event for the hooks. data is appended to buf.
func (e *Event) formsFor(hooks []*hook, buf []byte) (f forms, err error) {
	f.data = e.appendJSON(buf)
	if e.UserInfo != "" && slices.ContainsFunc(hooks, func(h *hook) bool { return h.UserInfoAsString }) {
		f.asText = e.appendJSONWith(nil, true)
		if err := checkSize(f.asText); err != nil {
			return f, err
		}
	}
	return f, checkSize(f.data)
}

// size is the room that is reserved for the event, whatever its form.
func (f *forms) size() int64 {
	return max(reservation(f.data), reservation(f.asText))
}

// of returns what the webhook gets.
func (f *forms) of(h *hook) []byte {
	if f.asText != nil && h.UserInfoAsString {
		return f.asText
	}
	return f.data
}
