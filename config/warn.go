package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/pushhooks/webhook/internal/strict"
)

const noAppWarning = "there is no app, so no event has a webhook; list the apps there, or set them with SetApp " +
	"(apps that the reference keeps in a database are not read)"

// warn notes what is doubtful in what has been read.
func (l *loader) warn(env environment) {
	if len(l.Apps) == 0 {
		l.warnf(l.appsPath, "%s", noAppWarning)
	}
	if l.Queue.Driver == DriverRedis || l.Queue.Driver == DriverRedisCluster {
		if l.Database.Redis.TLS.SkipVerify {
			l.warnf("database.redis.master_tls.accept_invalid_certs", "is true, so any server is trusted")
		}
	}
	known := make(map[string]string)
	var names []string
	for _, v := range l.variables() {
		known[v.name] = v.path
		names = append(names, v.name)
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if _, ok := known[name]; ok || slices.Contains(passedOver, name) || !beginsLikeOurs(name) {
			continue
		}
		if near := nearestVariable(name, names, known); near != "" {
			l.warnf(name, "is not a variable that is read; did you mean %s?", near)
		}
	}
}

// ourPrefixes are how the names of variables begin that are read, or might be meant for one.
var ourPrefixes = []string{"WEBHOOK", "QUEUE", "REDIS_", "DATABASE_REDIS_", "SOKETI_"}

func beginsLikeOurs(name string) bool {
	return slices.ContainsFunc(ourPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// passedOver are the variables of the reference and of Soketi that begin like those that are read,
// and have no meaning here.
var passedOver = []string{
	"DATABASE_REDIS_KEY_PREFIX", "QUEUE_COMPLETED_RETENTION", "QUEUE_DEDUPLICATION_TTL_MS", "QUEUE_EVENT_RETENTION",
	"QUEUE_FAILED_RETENTION", "QUEUE_IGGY_PARTITION_ID", "QUEUE_IGGY_PARTITIONS_COUNT", "QUEUE_LEASE_DURATION_MS",
	"QUEUE_LEASE_RENEW_INTERVAL_MS", "QUEUE_REDIS_RESPONSE_TIMEOUT_MS", "QUEUE_RETRY_JITTER",
	"QUEUE_SHUTDOWN_TIMEOUT_MS", "QUEUE_SNS_ENDPOINT_URL", "QUEUE_SNS_REGION", "QUEUE_SNS_TOPIC_ARN",
	"QUEUE_STALLED_BATCH_SIZE", "QUEUE_WORKER_POLL_INTERVAL_MS", "QUEUE_WORKER_PREFETCH",
	"REDIS_CLUSTER_QUEUE_REQUEST_TIMEOUT_MS", "SOKETI_QUEUE_SQS_POLLING_WAIT_TIME_MS",
	"SOKETI_QUEUE_SQS_PROCESS_BATCH",
}

// maxMisspelled is how many letters of a variable's name may be wrong. It is fewer than in a file,
// because the environment is full of other programs' variables.
const maxMisspelled = 3

// nearestVariable returns the variable that name is most likely meant to be, or "" if none is near.
// A name that Soketi had before it began its names with SOKETI_ is the variable of the same field.
func nearestVariable(name string, names []string, paths map[string]string) string {
	if path, ok := paths["SOKETI_"+name]; ok {
		for _, other := range names {
			if paths[other] == path && !strings.HasPrefix(other, "SOKETI_") {
				return other
			}
		}
		return "SOKETI_" + name
	}
	if name == "WEBHOOK_BATCHING" {
		return "WEBHOOK_BATCHING_ENABLED"
	}
	for _, other := range names {
		if strings.HasSuffix(name, "_"+other) {
			return other
		}
	}
	// DATABASE_REDIS_PASS is no DATABASE_REDIS_HOST
	if longer := beginningWith(name, names); len(longer) == 1 {
		return longer[0]
	}
	return strict.NearestWithin(name, names, maxMisspelled)
}

// beginningWith returns the names that begin with start.
func beginningWith(start string, names []string) (found []string) {
	for _, name := range names {
		if strings.HasPrefix(name, start) {
			found = append(found, name)
		}
	}
	return found
}
