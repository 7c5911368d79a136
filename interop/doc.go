// Package interop holds tests alone: they give what an emitter sends to Pusher's official Go library, which is to call it
// valid. It is a module of its own, so that nobody who imports the webhook package gets to see that library.
//
// Every event type is there, but none on a channel whose name begins with private-encrypted-: of those, that library
// takes nothing but data that was encrypted with its master key, whoever sends them. The tests with Pusher's library for Node
// are in the webhook package.
package interop
