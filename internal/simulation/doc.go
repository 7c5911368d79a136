// Package simulation runs whole worlds in virtual time and holds what the library promises against
// them: from one to three emitters on one store, and up to 300 webhooks that are healthy, slow,
// hanging, refusing, flapping, rate limited, ordered, poisoned or asking to wait, with random
// traffic, kills, store outages, configuration changes and a node without network.
//
// A world follows from its seed, up to the order in which goroutines run at the same instant. A
// seed that fails is printed, and runs alone with
//
//	go test ./internal/simulation -run TestWorlds -seed N -v
package simulation
