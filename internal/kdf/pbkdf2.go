package kdf

import "encoding/binary"

// PBKDF2 fills out with a key derived from a password (RFC 8018, section 5.2) in so many iterations, at least 1. The
// password stays m's key.
func (m *MAC) PBKDF2(out, password, salt []byte, iterations int) {
	m.SetKey(password)
	var counter [4]byte
	for block := uint32(1); len(out) > 0; block++ {
		binary.BigEndian.PutUint32(counter[:], block)
		m.Write(salt)
		m.Write(counter[:])
		m.Sum(m.u)
		copy(m.t, m.u)
		for range iterations - 1 {
			m.Write(m.u)
			m.Sum(m.u)
			for i := range m.t {
				m.t[i] ^= m.u[i]
			}
		}
		out = out[copy(out, m.t):]
	}
}
