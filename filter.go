package webhook

// Filter narrows the channels that a webhook wants. Every field that is set must hold. The zero
// Filter lets every channel through.
type Filter struct {
	ChannelPrefix string // the channel starts with this. In JSON also "channel_name_starts_with".
	ChannelSuffix string // the channel ends with this. In JSON also "channel_name_ends_with".

	// ChannelPattern is a regular expression (RE2, as package regexp reads it) that matches
	// somewhere in the channel's name; anchor it with ^ and $ to match the whole of it. It has at
	// most 1,000 bytes and compiles to at most 500 instructions, of which a repetition such as
	// {0,100} makes many.
	ChannelPattern string

	// ChannelNamespace and ChannelNamespaces name the namespaces that the channel may be of: the
	// text before the first ":" of its name without its type prefix ("private-", "presence-cache-"
	// and so on). A channel without ":" has no namespace, and is in none.
	ChannelNamespace  string
	ChannelNamespaces []string

	// ChannelExcludePrefix keeps out the channels that start with this, such as
	// "private-encrypted-": Pusher's libraries for PHP and Go, with the master key or without,
	// refuse every batch with an event of such a channel. In JSON "channel_exclude_prefix". Neither
	// Pusher nor Sockudo has it.
	ChannelExcludePrefix string
}
