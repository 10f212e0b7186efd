package plugin

import (
	"sync"

	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// ring has the keys that are open, and the data keys, in guarded memory.
type ring struct {
	mu         sync.Mutex
	keys       map[string]*openKey    // by name
	data       map[string]*secret.Key // the data keys by id, those that were needed
	current    string                 // the id of the data key for new records; "" if nobody has looked yet
	generation uint64                 // counts what was removed: what was read before is not to be kept
}

// openKey is a key that can sign, until its secret is destroyed.
type openKey struct {
	record
	secret *keyshare.SecretKey
	once   bool // it is not in the ring: who has opened it destroys it after use
}

// get returns an open key or nil, and the generation to give to add.
func (r *ring) get(name string) (*openKey, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[name], r.generation
}

// add keeps a key that was read in a generation, and returns the one to use: another request may have opened the same key
// meanwhile, and then this one is wiped. If something was removed since, the key is for one use and not kept.
func (r *ring) add(k *openKey, generation uint64) *openKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.generation != generation {
		k.once = true
		return k
	}
	if open := r.keys[k.Name]; open != nil {
		k.secret.Destroy()
		return open
	}
	if r.keys == nil {
		r.keys = map[string]*openKey{}
	}
	r.keys[k.Name] = k
	return k
}

// remove wipes a key.
func (r *ring) remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.generation++
	if k := r.keys[name]; k != nil {
		k.secret.Destroy()
		delete(r.keys, name)
	}
}

// drop wipes everything.
func (r *ring) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.generation++
	for _, k := range r.keys {
		k.secret.Destroy()
	}
	for _, k := range r.data {
		k.Destroy()
	}
	r.keys, r.data, r.current = nil, nil, ""
}

// dataKey returns the data key with an id; read gets it from storage if it is not here.
func (r *ring) dataKey(id string, read func() (*secret.Key, error)) (*secret.Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.data[id]; k != nil {
		return k, nil
	}
	k, err := read()
	if err != nil {
		return nil, err
	}
	if r.data == nil {
		r.data = map[string]*secret.Key{}
	}
	r.data[id] = k
	return k, nil
}

// currentID returns the id of the data key for new records; look finds it in storage if it is not known.
func (r *ring) currentID(look func() (string, error)) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if r.current == "" {
		r.current, err = look()
	}
	return r.current, err
}

// any returns an open key, nil if there is none.
func (r *ring) any() *openKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.keys {
		return k
	}
	return nil
}
