// Package recent remembers the last few results of a function of public values,
// such as hashes to the curve and interpolation coefficients.
package recent

import "sync"

// Cache holds the latest results of Make, between Size and twice Size of them.
// It is safe for concurrent use; two callers that miss together both call Make.
// Errors are not kept.
type Cache[K comparable, V any] struct {
	Size int
	Make func(K) (V, error)

	mu       sync.Mutex
	new, old map[K]V // two generations: a full new one becomes the old one
}

// Get returns Make(k), from memory if it was asked for lately.
func (c *Cache[K, V]) Get(k K) (V, error) {
	v, ok := c.look(k)
	if ok {
		return v, nil
	}
	v, err := c.Make(k)
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(k, v)
	return v, nil
}

func (c *Cache[K, V]) look(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.new[k]; ok {
		return v, true
	}
	v, ok := c.old[k]
	if ok {
		c.keep(k, v)
	}
	return v, ok
}

// keep is called with the lock held.
func (c *Cache[K, V]) keep(k K, v V) {
	if c.new == nil || len(c.new) >= c.Size {
		c.old, c.new = c.new, make(map[K]V)
	}
	c.new[k] = v
}
