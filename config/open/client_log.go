package open

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/oneline"
)

// clientLogger gets the Redis client's own lines, which would go to standard error otherwise. The
// client has one logger for the whole process: that of the latest opening.
var clientLogger atomic.Pointer[slog.Logger]

// once and early, because the client reads it without a lock
func init() { redis.SetLogger(clientLog{}) }

// clientLog is a logger for the Redis client.
type clientLog struct{}

// Printf logs a line.
func (clientLog) Printf(ctx context.Context, format string, args ...any) {
	log := clientLogger.Load()
	if log == nil {
		log = slog.Default()
	}
	log.InfoContext(ctx, "Redis client", "message", oneline.Text(fmt.Sprintf(format, args...)))
}
