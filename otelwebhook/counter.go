package otelwebhook

import (
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// counter counts by the values of up to two attributes. What counts is an addition and nothing else: no
// lock, no allocation, no call of a MeterProvider, which reads the numbers when it collects.
type counter struct {
	instrument metric.Int64ObservableCounter
	zeros      bool // it reports what has not happened yet
	cells      []cell
	width      int // values of the second attribute
	attributes func(row, column int) []attribute.KeyValue

	mu   sync.Mutex
	sets []metric.ObserveOption // of the cells; nil: not made yet
}

// cell is a number on a cache line of its own: others' additions do not slow it down.
type cell struct {
	atomic.Int64
	_ [56]byte
}

func newCounter(rows, columns int, zeros bool, attributes func(row, column int) []attribute.KeyValue) *counter {
	n := rows * columns
	return &counter{cells: make([]cell, n), sets: make([]metric.ObserveOption, n), width: columns, zeros: zeros, attributes: attributes}
}

func (c *counter) add(row, column int, n int64) { c.cells[row*c.width+column].Add(n) }

func (c *counter) observe(o metric.Observer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.cells {
		n := c.cells[i].Load()
		if n == 0 && !c.zeros {
			continue
		}
		if c.sets[i] == nil {
			c.sets[i] = metric.WithAttributeSet(attribute.NewSet(c.attributes(i/c.width, i%c.width)...))
		}
		o.ObserveInt64(c.instrument, n, c.sets[i])
	}
}
