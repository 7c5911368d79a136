package sqsqueue

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pushhooks/webhook/internal/limits"
)

// Options says which queue is used, and how.
type Options struct {
	// QueueURL is the queue's full URL. With it, QueueURLPrefix and Name are not used.
	QueueURL string

	// QueueURLPrefix is the URL up to the queue's name, such as
	// "https://sqs.eu-west-1.amazonaws.com/123456789012". The name, and ".fifo" for a
	// FIFO queue, are added to it. When it is empty too, SQS is asked for the URL of Name.
	QueueURLPrefix string

	// Name is the queue's name; ".fifo" is added for a FIFO queue. Defaults to "webhooks".
	Name string

	// Create makes a queue that does not exist, together with the dead-letter queue
	// <Name>-dead unless DeadLetterQueueURL is set. It does not go with QueueURL.
	Create bool

	// FIFO reports that the queue is a FIFO queue, whose name ends in ".fifo".
	// Ordered webhooks need one.
	FIFO bool

	// NoMessageGroups sends messages to a standard queue without a group. By default a lane is a
	// message group, so that SQS deals fairly between webhooks. Set it where an emulator or a
	// policy refuses groups on a standard queue. It does not go with FIFO, which needs them.
	NoMessageGroups bool

	// VisibilityTimeout is how long a lease lasts, in whole seconds from 15 s to 12 h.
	// It is also when a failed job is received again, unless RetryBackoff is set.
	// Defaults to 30 s.
	VisibilityTimeout time.Duration

	// WaitTime is how long a receive call waits for messages, in whole seconds from 1 s
	// to 20 s. Defaults to 5 s.
	WaitTime time.Duration

	// MaxMessages is how many messages one receive call may bring, 1 to 10. Defaults to 10.
	MaxMessages int

	// Pollers is how many receive calls may run at once, at most 100. Defaults to 2.
	Pollers int

	// RetryBackoff makes a failed job visible again after the delay that its caller
	// asked for, instead of after what remains of the visibility timeout.
	RetryBackoff bool

	// DeadLetterQueueURL is where jobs go that were given up. Defaults to the target of
	// the queue's redrive policy. With neither, such jobs are deleted and counted in
	// queue.Stats.DeadDropped.
	DeadLetterQueueURL string

	// ParkedJobs and ParkedBytes bound what is received but not wanted yet. What is more than
	// its lane's share of them is left to SQS for a while; see the package's documentation.
	// One round of receive calls can exceed ParkedBytes. They default to 1,000 jobs and 32 MiB.
	ParkedJobs  int
	ParkedBytes int64
}

const (
	minVisibility = 15 * time.Second
	maxVisibility = 12 * time.Hour // SQS's limit for a message, counted from its receive
	maxWait       = 20 * time.Second
	maxEntries    = 10 // of any batch call
	maxPollers    = 100

	fifoSuffix = ".fifo"
	deadSuffix = "-dead"

	maxName        = 80 // characters, suffixes included
	nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
)

func (o Options) withDefaults() Options {
	setDefault(&o.Name, "webhooks")
	setDefault(&o.VisibilityTimeout, 30*time.Second)
	setDefault(&o.WaitTime, 5*time.Second)
	setDefault(&o.MaxMessages, maxEntries)
	setDefault(&o.Pollers, 2)
	setDefault(&o.ParkedJobs, 1000)
	setDefault(&o.ParkedBytes, 32<<20)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports everything that is wrong, each problem by its field's name.
func (o Options) validate() error {
	return errors.Join(
		inSeconds("VisibilityTimeout", o.VisibilityTimeout, minVisibility, maxVisibility),
		inSeconds("WaitTime", o.WaitTime, time.Second, maxWait),
		inRange("MaxMessages", o.MaxMessages, 1, maxEntries),
		inRange("Pollers", o.Pollers, 1, maxPollers),
		parked("ParkedJobs", int64(o.ParkedJobs), limits.Count),
		parked("ParkedBytes", o.ParkedBytes, limits.Bytes),
		o.validateURL(),
		o.validateName(),
		o.validateGroups(),
	)
}

func (o Options) validateURL() error {
	if o.QueueURL == "" {
		if strings.HasSuffix(o.Name, fifoSuffix) && !o.FIFO {
			return fmt.Errorf("sqsqueue: FIFO is false, but Name is %q: set FIFO, or leave %q out", o.Name, fifoSuffix)
		}
		return nil
	}
	if o.Create {
		return errors.New("sqsqueue: Create: a queue is created by Name, not by QueueURL: leave one of them out")
	}
	if strings.HasSuffix(o.QueueURL, fifoSuffix) != o.FIFO {
		return fmt.Errorf("sqsqueue: FIFO is %t, but QueueURL is %q: the URL of a FIFO queue ends in %q, and no other does",
			o.FIFO, shown(o.QueueURL), fifoSuffix)
	}
	return nil
}

// validateName checks the name, and the longest one that New makes of it.
func (o Options) validateName() error {
	if o.QueueURL != "" {
		return nil
	}
	for _, c := range strings.TrimSuffix(o.Name, fifoSuffix) {
		if !strings.ContainsRune(nameCharacters, c) {
			return fmt.Errorf("sqsqueue: Name is %q: the name of a queue has letters of a to z, digits, - and _", o.Name)
		}
	}
	longest := o.queueName("")
	if o.Create && o.DeadLetterQueueURL == "" {
		longest = o.queueName(deadSuffix)
	}
	if len(longest) > maxName {
		return fmt.Errorf("sqsqueue: Name is too long: it makes the queue %q of %d characters, and SQS allows %d", longest, len(longest), maxName)
	}
	return nil
}

func (o Options) validateGroups() error {
	if o.NoMessageGroups && o.FIFO {
		return errors.New("sqsqueue: NoMessageGroups is true, but a FIFO queue needs message groups: leave one of them out")
	}
	return nil
}

// queueName is the name that SQS knows: with the suffix for FIFO queues.
func (o Options) queueName(suffix string) string {
	name := strings.TrimSuffix(o.Name, fifoSuffix) + suffix
	if o.FIFO {
		name += fifoSuffix
	}
	return name
}

func inSeconds(field string, d, low, high time.Duration) error {
	if d < low || d > high || d%time.Second != 0 {
		return fmt.Errorf("sqsqueue: %s is %v: give whole seconds from %v to %v", field, d, low, high)
	}
	return nil
}

func inRange(field string, n, low, high int) error {
	if n < low || n > high {
		return fmt.Errorf("sqsqueue: %s is %d: give %d to %d", field, n, low, high)
	}
	return nil
}

func parked(field string, n, high int64) error {
	if n < 1 || n > high {
		return fmt.Errorf("sqsqueue: %s is %d: give 1 to %d", field, n, high)
	}
	return nil
}
