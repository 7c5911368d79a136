// Package interop holds tests alone: they give what an emitter sends to Pusher's official server
// libraries for Go, Node, Python, Ruby and PHP, which have to call it valid, and hold
// docs/receivers.md to what these libraries refuse. It is a module of its own, so that nobody who
// imports the webhook package gets to see Pusher's library for Go.
//
// scripts/receivers.sh installs the libraries for Python, Ruby and PHP; without them their tests
// are skipped. No event of the rows that all libraries have to take is on a channel whose name
// begins with private-encrypted-: those for Go and PHP refuse such events, whoever sends them.
package interop
