package keystore

// Cheap returns options that make tests fast.
func Cheap(o Options) *Options {
	o.cost = 2
	return &o
}

// Costing returns options for scrypt with n 2^cost.
func Costing(cost int) *Options { return &Options{cost: cost} }

// UseSeed lends the bytes of a seed to f.
func UseSeed(s *Seed, f func(seed []byte) error) error { return s.bytes.Use(f) }
