package kdf

// HKDF fills out, of at most 255 times Size bytes, with a key derived from a secret (RFC 5869, extract and expand).
func (m *MAC) HKDF(out, secret, salt, info []byte) {
	m.SetKey(salt)
	m.Write(secret)
	m.Sum(m.u)
	m.SetKey(m.u)
	for i, last := byte(1), m.t[:0]; len(out) > 0; i, last = i+1, m.t {
		m.Write(last)
		m.Write(info)
		m.Write([]byte{i})
		m.Sum(m.t)
		out = out[copy(out, m.t):]
	}
}
