package config

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/strict"
	"github.com/pushhooks/webhook/internal/urltext"
	"github.com/pushhooks/webhook/queue"
)

// check returns the mistakes in what was read, but for those that only follow from an earlier one.
func (l *loader) check(earlier []strict.Problem, set []variable) []strict.Problem {
	if len(earlier) > 0 && earlier[0].Path == "" {
		return nil // the file holds no object: nothing was read
	}
	found := append(l.checkOptions(), l.checkQueue()...)
	found = slices.DeleteFunc(found, func(p strict.Problem) bool { return follows(p, earlier) })
	for i := range found {
		found[i].Path = source(found[i].Path, set)
	}
	return found
}

// source returns path, with the name of the variable for the part of it that was set by one.
func source(path string, set []variable) string {
	for _, v := range slices.Backward(set) { // a later variable goes over an earlier one
		if below(path, v.path) {
			return v.name + path[len(v.path):]
		}
	}
	return path
}

// follows reports whether p has been told, or may only say that a field is missing that could not
// be read: one that is wrong itself, or whose name was misspelled in the same object.
func follows(p strict.Problem, earlier []strict.Problem) bool {
	object := parent(p.Path)
	return slices.ContainsFunc(earlier, func(e strict.Problem) bool {
		if e.Path == p.Path {
			return true
		}
		misspelled := parent(e.Path) == object && strings.HasPrefix(e.Message, "unknown field")
		missing := strings.HasPrefix(p.Message, "is required")
		return missing && (e.Path == object || misspelled || below(e.Path, p.Path))
	})
}

// parent returns the path of the object that the field at path is in.
func parent(path string) string { return path[:max(strings.LastIndexByte(path, '.'), 0)] }

// below reports whether path is object or a part of it.
func below(path, object string) bool {
	rest, ok := strings.CutPrefix(path, object)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// checkOptions validates the options as far as that goes without the queue and the senders.
func (l *loader) checkOptions() []strict.Problem {
	o := l.Options()
	o.Queue = queue.None // so that nothing is measured against a queue that is not made yet
	o.Lambda = dispatch.SenderFunc(func(context.Context, *dispatch.Request) dispatch.Outcome { return dispatch.Outcome{} })
	var list *webhook.ConfigError
	if !errors.As(o.Validate(), &list) {
		return nil
	}
	problems := make([]strict.Problem, len(list.Problems))
	for i, p := range list.Problems {
		problems[i] = strict.Problem{Path: l.inFile(p.Path), Message: p.Message}
	}
	return problems
}

// inFile returns the path in the file of what the options name otherwise.
func (l *loader) inFile(path string) string {
	const types, backoff = "Options.EventTypes", "webhooks.retry.initial_backoff_ms"
	rest, isApp := strings.CutPrefix(path, "apps[")
	switch {
	case isApp:
		return l.appsPath + "[" + rest
	case strings.HasPrefix(path, types):
		return "webhooks.custom_event_types" + path[len(types):]
	case path == backoff && l.Webhooks.Retry.InitialBackoff == 0:
		return "queue.reliability.retry_base_delay_ms"
	case path == "Options.EnqueueJobs":
		return "queue.reliability.max_batch_size"
	case path == "Options.Pollers" && l.Queue.Driver == DriverRedis:
		return "queue.redis.concurrency"
	case path == "Options.Pollers":
		return "queue.redis_cluster.concurrency"
	}
	return path
}

// checker collects problems.
type checker []strict.Problem

func (c *checker) failf(path, format string, args ...any) {
	*c = append(*c, strict.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) required(path, what string) { c.failf(path, "is required: %s", what) }

// checkQueue returns the mistakes in the part that the driver uses. The others may hold anything.
func (l *loader) checkQueue() []strict.Problem {
	var c checker
	q := &l.Queue
	switch q.Driver {
	case DriverDisk:
		if q.Disk.Path == "" {
			c.required("queue.disk.path", "the file that holds the jobs (or QUEUE_DISK_PATH)")
		}
		c.noURL("queue.disk.path", q.Disk.Path, "a file's path")
	case DriverRedis:
		c.redis(l)
	case DriverRedisCluster:
		c.redisCluster(l)
	case DriverSQS:
		c.sqs(&q.SQS)
	}
	return c
}

func (c *checker) redis(l *loader) {
	path, r := "queue.redis.url", &l.Queue.Redis
	c.prefix("queue.redis.prefix", r.Prefix)
	if r.URL == "" {
		c.server(l)
		encrypted := l.Database.Redis.TLS.Enabled || isEncrypted(string(l.Database.Redis.Host))
		c.caFile("queue.redis.tls_ca_file", r.TLSCAFile, encrypted)
		return
	}
	if l.urlOverride {
		path = "queue.redis.url_override"
	}
	if problem := redisURLProblem(string(r.URL), "redis", "rediss", "unix"); problem != "" {
		c.failf(path, "%s", problem)
	}
	c.caFile("queue.redis.tls_ca_file", r.TLSCAFile, isEncrypted(string(r.URL)))
	if isEncrypted(string(r.URL)) {
		c.tls("database.redis.master_tls", &l.Database.Redis.TLS)
	}
}

// prefix refuses braces, which mean something in the names of a cluster's keys.
func (c *checker) prefix(path, prefix string) {
	if strings.ContainsAny(prefix, "{}") {
		c.failf(path, "is %q; braces are not allowed", urltext.Quotable(prefix))
	}
}

// noURL refuses a URL where something else is meant: what uses it later would show it in its
// errors, with its password.
func (c *checker) noURL(path, value, want string) {
	if strings.Contains(value, "://") {
		c.failf(path, "is %q; must be %s", urltext.Quotable(value), want)
	}
}

// caFile refuses certificates for connections that are not encrypted.
func (c *checker) caFile(path, file string, encrypted bool) {
	c.noURL(path, file, "a file's path")
	if file != "" && !encrypted {
		c.failf(path, "is set, but the connection is not encrypted; let the URL begin with rediss://, or leave it out")
	}
}

// server checks the section "database.redis" where the queue uses it.
func (c *checker) server(l *loader) {
	const path = "database.redis."
	s := &l.Database.Redis
	if problem := urltext.Problem(string(s.Host)); problem != "" {
		c.failf(path+"host", "%s", problem)
	} else if s.Host != "" && !s.Host.valid() {
		c.failf(path+"host", `must be a host name or an address, such as "localhost"; port, user, password and database have fields of their own`)
	}
	c.tls(path+"master_tls", &s.TLS)
	if len(s.Sentinels) == 0 {
		return
	}
	for i, node := range s.Sentinels {
		if problem := nodeProblem(string(node)); problem != "" || strings.Contains(string(node), "://") {
			c.failf(fmt.Sprintf("%ssentinels[%d]", path, i), "must be host:port, or an object of host and port")
		}
	}
	if l.sentinelTLS != s.TLS {
		c.failf(path+"sentinel_tls", "differs from master_tls; the Redis client uses one setting for both")
	}
}

func (c *checker) tls(path string, t *TLS) {
	c.noURL(path+".ca_path", t.CAFile, "a file's path")
	c.noURL(path+".client_cert_path", t.CertFile, "a file's path")
	c.noURL(path+".client_key_path", t.KeyFile, "a file's path")
	if (t.CertFile == "") != (t.KeyFile == "") {
		c.failf(path+".client_cert_path", "and client_key_path belong together; one of them is missing")
	}
}

func (c *checker) redisCluster(l *loader) {
	path, nodes := "queue.redis_cluster.nodes", urlStrings(l.Queue.RedisCluster.Nodes)
	if len(nodes) == 0 {
		path, nodes = "database.redis.cluster.nodes", urlStrings(l.Database.Redis.ClusterNodes)
	}
	if len(nodes) == 0 {
		c.required("queue.redis_cluster.nodes", `some of the cluster's nodes, such as ["localhost:7000"] `+
			"(or REDIS_CLUSTER_NODES, or database.redis.cluster.nodes)")
	}
	encrypted := l.Database.Redis.TLS.Enabled || l.Database.Redis.ClusterTLS
	for i, node := range nodes {
		if problem := nodeProblem(node); problem != "" {
			c.failf(fmt.Sprintf("%s[%d]", path, i), "%s", problem)
		}
		encrypted = encrypted || isEncrypted(node)
	}
	c.prefix("queue.redis_cluster.prefix", l.Queue.RedisCluster.Prefix)
	c.tls("database.redis.master_tls", &l.Database.Redis.TLS)
	c.caFile("queue.redis_cluster.tls_ca_file", l.Queue.RedisCluster.TLSCAFile, encrypted)
}

func urlStrings(urls []URL) []string {
	list := make([]string, len(urls))
	for i, u := range urls {
		list[i] = string(u)
	}
	return list
}

func (c *checker) sqs(s *SQS) {
	const path = "queue.sqs."
	if v := s.VisibilityTimeout; v != 0 && (v < 15*time.Second || v > 12*time.Hour) {
		c.failf(path+"visibility_timeout", "is %d; must be from 15 to 43200 seconds", v/time.Second)
	}
	if s.WaitTime > 20*time.Second {
		c.failf(path+"wait_time_seconds", "is %d; must be from 1 to 20", s.WaitTime/time.Second)
	}
	c.noURL(path+"region", s.Region, `a region such as "us-east-1"`)
	c.noURL(path+"queue_name", s.QueueName, "a queue's name; a URL belongs to queueUrl")
	c.atMost(path+"max_messages", s.MaxMessages, 10)
	c.atMost(path+"concurrency", s.Concurrency, 100)
	c.httpURL(path+"queueUrl", s.QueueURL, "https://sqs.eu-west-1.amazonaws.com/123456789012/webhooks.fifo")
	c.httpURL(path+"queue_url_prefix", s.QueueURLPrefix, "https://sqs.eu-west-1.amazonaws.com/123456789012")
	c.httpURL(path+"endpoint_url", s.EndpointURL, "http://localhost:9324")
	if s.QueueURL != "" && (s.QueueURLPrefix != "" || s.QueueName != "") {
		c.failf(path+"queueUrl", "is the queue's whole URL; leave it out, or queue_url_prefix and queue_name")
	}
	if s.NoMessageGroups && s.FIFO {
		c.failf(path+"no_message_groups", "is true, but fifo is too, and a FIFO queue needs message groups; leave one of them out")
	}
	if strings.HasSuffix(s.QueueName, ".fifo") && !s.FIFO {
		c.failf(path+"queue_name", `is %q, but fifo is false; set "fifo": true, or leave ".fifo" out`, urltext.Quotable(s.QueueName))
	}
}

func (c *checker) atMost(path string, n, limit int) {
	if n > limit {
		c.failf(path, "is %d; must be from 1 to %d", n, limit)
	}
}

func (c *checker) httpURL(path string, raw URL, example string) {
	if raw == "" {
		return
	}
	if problem := urltext.Problem(string(raw)); problem != "" {
		c.failf(path, "%s", problem)
		return
	}
	u, err := url.Parse(string(raw))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		c.failf(path, "must be an http or https URL such as %s", example)
		return
	}
	if u.User != nil || strings.ContainsAny(string(raw), "?#") {
		c.failf(path, `has a user, a "?" or a "#", of which SQS takes none; must be a URL such as %s`, example)
	}
}
