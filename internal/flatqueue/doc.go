// Package flatqueue gives a queue with lanes, as package queue asks for it, to a store that has
// none: one whose messages are hidden for a while when they are received, and come back unless they
// were deleted. A driver implements [Store], which is a handful of calls, and gets the rest.
//
// # Parking
//
// Such a store cannot skip a lane: it returns whatever it likes. What is received and not wanted
// yet, because its lane is held or has enough jobs running, is parked: a keeper goes on hiding it
// from others. So it burns no receive while it waits, and is handed out at once when it is wanted.
// Receive calls run only while a Receive waits, and a process that has stopped receiving parks
// nothing.
//
// After six minutes, a little more than a hold can last, a parked message is given back for a
// second: another process may reach an endpoint that this one cannot reach.
//
// The park is bounded. So that the backlog of one endpoint cannot fill it, which would keep this
// process from receiving anything else, the keeper gives back to the store what no Receive has
// taken within a moment and what is more than its lane's share:
//
//   - All Failing lanes together have half of the park, and one of them has no more than is left of
//     that half.
//   - Any other lane has no more than is left of seven eighths of the park.
//
// An eighth is always free for what is wanted at once. A message that was given back is hidden for
// as long as the job is old, at least for a second and at most for a minute, or for five minutes if
// its lane fails, and at least for the rest of its lane's hold. So it waits at most twice as long
// as it would have, and a store that counts receives counts few: about twenty in the first hour of
// a lane that fails.
//
// # Lanes
//
// Package lanes keeps the lanes of what is here: turns, health, holds and probes. The store cannot
// share them, so each process learns by itself which lanes work. A job that is nacked goes back to
// the store for the delay, so that any process can have it then.
//
// # Attempts
//
// A store counts receives. This process knows which of its own were no attempts, and remembers it
// by message. Another process counts all of them, and takes the first receive for the first
// attempt.
package flatqueue
