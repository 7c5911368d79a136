// Package redisqueue is the queue in Redis.
package redisqueue
