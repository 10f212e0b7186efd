package keystore

// Cheap are options that make tests fast.
func Cheap(o Options) *Options {
	o.cost = 2
	return &o
}

// UseSeed lends the bytes of a seed to f.
func UseSeed(s *Seed, f func(seed []byte) error) error { return s.bytes.Use(f) }
