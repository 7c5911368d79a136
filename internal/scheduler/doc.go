// Package scheduler decides which lane's job runs next, on how many workers, and keeps the leases.
//
// It receives jobs from a queue, a few ahead of the workers, and runs them through a Handler. It
// knows lanes and leases and nothing of webhooks: what a job means is the Handler's business.
package scheduler
