package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/strict"
	"github.com/pushhooks/webhook/queue"
)

// check returns the mistakes in what was read, but for those that only follow from an earlier one.
func (c *Config) check(earlier []strict.Problem, set []variable) []strict.Problem {
	if len(earlier) == 1 && earlier[0].Path == "" {
		return nil // the file is no JSON object: nothing was read
	}
	found := append(c.checkOptions(), c.Queue.check()...)
	found = slices.DeleteFunc(found, func(p strict.Problem) bool { return follows(p, earlier) })
	for i := range found {
		found[i].Path = source(found[i].Path, set)
	}
	return found
}

// source returns path, with the name of the variable for the part of it that was set by one.
func source(path string, set []variable) string {
	for _, v := range set {
		if below(path, v.path) {
			return v.name + path[len(v.path):]
		}
	}
	return path
}

// follows reports whether p has been told, or may only say that a field is missing that could not be read: one that is
// wrong itself, or whose name was misspelled in the same object.
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
func (c *Config) checkOptions() []strict.Problem {
	o := c.Options()
	o.Queue = queue.None // so that nothing is measured against a queue that is not made yet
	o.Lambda = dispatch.SenderFunc(func(context.Context, *dispatch.Request) dispatch.Outcome { return dispatch.Outcome{} })
	var list *webhook.ConfigError
	if !errors.As(o.Validate(), &list) {
		return nil
	}
	problems := make([]strict.Problem, len(list.Problems))
	for i, p := range list.Problems {
		problems[i] = strict.Problem{Path: c.inFile(p.Path), Message: p.Message}
	}
	return problems
}

// inFile returns the path in the file of what the options name otherwise.
func (c *Config) inFile(path string) string {
	switch {
	case strings.HasPrefix(path, "apps["):
		return "app_manager.array." + path
	case path == "Options.Pollers" && c.Queue.Driver == DriverRedis:
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

// check returns the mistakes in the part that the driver uses. The others may hold anything.
func (q *Queue) check() []strict.Problem {
	var c checker
	switch q.Driver {
	case DriverDisk:
		if q.Disk.Path == "" {
			c.required("queue.disk.path", "the file that holds the jobs (or QUEUE_DISK_PATH)")
		}
	case DriverRedis:
		c.redis(&q.Redis)
	case DriverRedisCluster:
		c.redisCluster(&q.RedisCluster)
	case DriverSQS:
		c.sqs(&q.SQS)
	}
	return c
}

func (c *checker) redis(r *Redis) {
	const path = "queue.redis.url"
	if r.URL == "" {
		c.required(path, "such as redis://user:password@localhost:6379/0 (or REDIS_URL)")
		return
	}
	if problem := redisURLProblem(r.URL, "redis", "rediss", "unix"); problem != "" {
		c.failf(path, "%s", problem)
	}
}

func (c *checker) redisCluster(r *RedisCluster) {
	const path = "queue.redis_cluster.nodes"
	if len(r.Nodes) == 0 {
		c.required(path, "some of the cluster's nodes, such as [\"localhost:7000\"] (or REDIS_CLUSTER_NODES)")
	}
	for i, node := range r.Nodes {
		if problem := nodeProblem(node); problem != "" {
			c.failf(fmt.Sprintf("%s[%d]", path, i), "%s", problem)
		}
	}
}

// nodeProblem says what is wrong with a node, "" if nothing is.
func nodeProblem(node string) string {
	if strings.Contains(node, "://") {
		return redisURLProblem(node, "redis", "rediss")
	}
	host, port, err := net.SplitHostPort(node)
	if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || portErr != nil || n == 0 {
		return "must be host:port or a redis:// URL, such as localhost:7000"
	}
	return ""
}

// redisURLProblem says what is wrong with a URL, "" if nothing is. The URL is not shown, because it may hold a password.
func redisURLProblem(raw string, schemes ...string) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "cannot be parsed; must be a URL such as redis://user:password@localhost:6379/0, " +
			"special characters of the password percent-encoded"
	case !slices.Contains(schemes, u.Scheme):
		return fmt.Sprintf("must begin with %s://, not %q", strings.Join(schemes, ":// or "), u.Scheme)
	case u.Scheme == "unix":
		return ""
	case u.Hostname() == "":
		return "has no host; must be a URL such as redis://user:password@localhost:6379/0"
	}
	if db := strings.Trim(u.Path, "/"); db != "" {
		if _, err := strconv.ParseUint(db, 10, 16); err != nil {
			return fmt.Sprintf("has the database %q; must be a number, such as redis://localhost:6379/0", db)
		}
	}
	return ""
}

func (c *checker) sqs(s *SQS) {
	const path = "queue.sqs."
	if v := s.VisibilityTimeout; v != 0 && (v < 15*time.Second || v > 12*time.Hour) {
		c.failf(path+"visibility_timeout", "is %d; must be from 15 to 43200 seconds", v/time.Second)
	}
	if s.WaitTime > 20*time.Second {
		c.failf(path+"wait_time_seconds", "is %d; must be from 1 to 20", s.WaitTime/time.Second)
	}
	c.atMost(path+"max_messages", s.MaxMessages, 10)
	c.atMost(path+"concurrency", s.Concurrency, 100)
	c.httpURL(path+"queue_url_prefix", s.QueueURLPrefix, "https://sqs.eu-west-1.amazonaws.com/123456789012")
	c.httpURL(path+"endpoint_url", s.EndpointURL, "http://localhost:9324")
}

func (c *checker) atMost(path string, n, most int) {
	if n > most {
		c.failf(path, "is %d; must be from 1 to %d", n, most)
	}
}

func (c *checker) httpURL(path, raw, example string) {
	if raw == "" {
		return
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		c.failf(path, "must be an http or https URL such as %s", example)
	}
}
