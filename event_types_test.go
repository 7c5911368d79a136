package webhook

import "testing"

func TestEventTypesOfSockudo5AreKnown(t *testing.T) {
	t.Parallel()
	for _, name := range []EventType{
		"ai_run_started", "ai_run_ended", "ai_turn_started", "ai_turn_ended", "ai_cancel_requested",
		"ai_stream_cancelled", "ai_stream_orphaned", "message_version_created", "annotation_created",
		"annotation_deleted",
	} {
		o := validOptions()
		hook0(&o).EventTypes = []EventType{name}
		if err := o.Validate(); err != nil {
			t.Errorf("a webhook that wants %s: %v", name, err)
		}
		if err := CustomEvent("my-app", name, "private-ai-chat").Validate(); err != nil {
			t.Errorf("an event %s: %v", name, err)
		}
	}
}
