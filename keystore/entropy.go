package keystore

import (
	"crypto/sha256"

	"github.com/claystack/dvkeys/internal/kdf"
)

// The words of a mnemonic are a row of bits, 11 for a word: 4 bytes of entropy for every 3 words, and one bit of checksum.
// Buffers for the bits have bitsSize bytes: 33 for the bits of 24 words, and the rest to work in.
const bitsSize = 33 + sha256.Size

func entropySize(words int) int { return words / 3 * 4 }

func sentenceSize(words int) int { return words * (longestWord + 1) }

// checksum returns the byte that follows the entropy: the first bits of its SHA-256, one for every 3 words, then zeros.
func checksum(bits []byte, words int) byte {
	digest := bits[33:]
	kdf.SHA256(digest, bits[:entropySize(words)])
	return digest[0] &^ (0xff >> (words / 3))
}

// pack sets the bits to those of the words' indices, two bytes each.
func pack(bits, indices []byte) {
	clear(bits)
	for n := range len(indices) / 2 * wordBits {
		word, bit := n/wordBits, wordBits-1-n%wordBits
		index := uint16(indices[2*word])<<8 | uint16(indices[2*word+1])
		bits[n/8] |= byte(index>>bit&1) << (7 - n%8)
	}
}

// unpack is the inverse of pack.
func unpack(indices, bits []byte) {
	clear(indices)
	for n := range len(indices) / 2 * wordBits {
		word, bit := n/wordBits, wordBits-1-n%wordBits
		set := bits[n/8] >> (7 - n%8) & 1
		indices[2*word+1-bit/8] |= set << (bit % 8)
	}
}

// appendSentence writes the words into the capacity of out.
func appendSentence(out, indices []byte, list *wordList) []byte {
	for i := 0; i < len(indices); i += 2 {
		if i > 0 {
			out = append(out, ' ')
		}
		out = append(out, list.words[uint16(indices[i])<<8|uint16(indices[i+1])]...)
	}
	return out
}
