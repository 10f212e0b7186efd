package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	frameVersion = 1
	frameSize    = 5 // version and checksum
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers the key of an entry and what follows the checksum in its value.
func checksum(key, rest []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, rest)
}

// Frame returns what is stored under key for the content rest: version(1), CRC-32C of key and rest (4, big-endian),
// rest.
func Frame(key, rest []byte) []byte {
	out := make([]byte, 0, frameSize+len(rest))
	out = append(out, frameVersion)
	out = binary.BigEndian.AppendUint32(out, checksum(key, rest))
	return append(out, rest...)
}

// Unframe is the inverse of Frame. The error continues a sentence that names the entry. The content is part of value.
func Unframe(key, value []byte) (rest []byte, err error) {
	if len(value) < frameSize {
		return nil, fmt.Errorf("is %d bytes long, expected at least %d", len(value), frameSize)
	}
	if value[0] != frameVersion {
		return nil, fmt.Errorf("has format version %d, expected %d", value[0], frameVersion)
	}
	if checksum(key, value[frameSize:]) != binary.BigEndian.Uint32(value[1:]) {
		return nil, errors.New("does not match its checksum")
	}
	return value[frameSize:], nil
}
