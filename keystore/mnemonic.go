package keystore

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/claystack/dvkeys/internal/eip2335"
	"github.com/claystack/dvkeys/internal/kdf"
	"github.com/claystack/dvkeys/internal/secret"
)

// Mnemonic is a BIP-39 sentence of 12, 15, 18, 21 or 24 words in guarded memory. It prints as [secret] and is safe for
// concurrent use.
type Mnemonic struct {
	secret.Redacted
	language Language
	sentence *secret.Box // NFKD, one space between words
}

// NewMnemonic makes a mnemonic of 12, 15, 18, 21 or 24 random words: 128, 160, 192, 224 or 256 bits.
func NewMnemonic(words int, in Language) (*Mnemonic, error) {
	if _, err := candidates([]Language{in}); err != nil {
		return nil, err
	}
	for {
		m, err := newMnemonic(words, in)
		if !errors.Is(err, errAmbiguous) { // one in thousands, in Chinese: what it makes, ParseMnemonic shall read
			return m, err
		}
	}
}

func newMnemonic(words int, in Language) (*Mnemonic, error) {
	if err := checkCount(words); err != nil {
		return nil, err
	}
	buf, err := secret.New(bitsSize + 2*words + sentenceSize(words))
	if err != nil {
		return nil, err
	}
	defer buf.Destroy()
	bits, rest := buf.Bytes()[:bitsSize], buf.Bytes()[bitsSize:]
	indices, sentence := rest[:2*words], rest[2*words:2*words]

	entropy := bits[:entropySize(words)]
	rand.Read(entropy)
	bits[len(entropy)] = checksum(bits, words)
	unpack(indices, bits)
	return ParseMnemonic(appendSentence(sentence, indices, in.list()))
}

// ParseMnemonic reads a mnemonic in any of the ten languages: words, or their first four letters, in any Unicode
// normalisation and case, with any white space between and around them. Its checksum must hold. The caller wipes text.
//
// Naming languages limits the reading to them. That is needed only for words that are a mnemonic in more than one
// language, which is an error: a few Chinese mnemonics are such, of simplified and of traditional characters.
//
// An error says which word is wrong by its place, never by the word.
func ParseMnemonic(text []byte, in ...Language) (*Mnemonic, error) {
	languages, err := candidates(in)
	if err != nil {
		return nil, err
	}
	normalized, err := eip2335.NFKD(text)
	if err != nil {
		return nil, fmt.Errorf("keystore: mnemonic %w", err)
	}
	defer normalized.Destroy()
	lower(normalized.Bytes())
	words := bytes.Fields(normalized.Bytes())
	if err := checkCount(len(words)); err != nil {
		return nil, err
	}
	language, err := read(words, languages)
	if err != nil {
		return nil, err
	}
	return spellOut(words, language)
}

// errAmbiguous says that words are a mnemonic in more than one language.
var errAmbiguous = errors.New("name the one that is meant")

// read returns the language in which the words are a mnemonic.
func read(words [][]byte, in []Language) (Language, error) {
	buf, err := secret.New(2*len(words) + bitsSize)
	if err != nil {
		return 0, err
	}
	defer buf.Destroy()
	indices, bits := buf.Bytes()[:2*len(words)], buf.Bytes()[2*len(words):]
	var readings []Language
	var closest Language
	most := -1 // how many words are in the closest language
	for _, l := range in {
		found := l.list().lookUp(words, indices)
		if found > most {
			closest, most = l, found
		}
		if found < len(words) {
			continue
		}
		pack(bits, indices)
		if bits[entropySize(len(words))] == checksum(bits, len(words)) {
			readings = append(readings, l)
		}
	}
	switch {
	case len(readings) == 1:
		return readings[0], nil
	case len(readings) > 1:
		return 0, fmt.Errorf("keystore: the words are a mnemonic in more than one language, %v: %w", readings, errAmbiguous)
	case most == len(words):
		return 0, errors.New("keystore: mnemonic checksum does not hold: a word is wrong, or two are exchanged")
	case most == 0 && len(in) > 1:
		return 0, errors.New("keystore: mnemonic word 1 is in none of the word lists, in full or by its first four letters")
	}
	return 0, fmt.Errorf("keystore: mnemonic word %d is not in the %v word list, in full or by its first four letters", most+1, closest)
}

// spellOut returns the mnemonic with its words in full.
func spellOut(words [][]byte, l Language) (*Mnemonic, error) {
	buf, err := secret.New(2*len(words) + sentenceSize(len(words)))
	if err != nil {
		return nil, err
	}
	defer buf.Destroy()
	indices, sentence := buf.Bytes()[:2*len(words)], buf.Bytes()[2*len(words):2*len(words)]
	l.list().lookUp(words, indices)
	box, err := secret.Seal(appendSentence(sentence, indices, l.list()))
	if err != nil {
		return nil, err
	}
	return &Mnemonic{language: l, sentence: box}, nil
}

// Language returns the word list that the words are of.
func (m *Mnemonic) Language() Language { return m.language }

// Use lends the sentence to f, to show it to its owner: the words in full, UTF-8 in normalisation form KD, one space
// between words. The memory is wiped when f returns.
func (m *Mnemonic) Use(f func(sentence []byte) error) error { return m.sentence.Use(f) }

// Seed derives the seed of 64 bytes, as BIP-39 does, by PBKDF2. The passphrase is a second secret; it may be empty, and
// there is no wrong one: each gives another seed. It is UTF-8 of at most 4000 bytes, in any normalisation, and every
// character of it counts: remove the newline from a file's content. The caller wipes it.
func (m *Mnemonic) Seed(passphrase []byte) (*Seed, error) {
	const prefix, most = "mnemonic", 4000
	if !utf8.Valid(passphrase) {
		return nil, errors.New("keystore: mnemonic passphrase is not UTF-8")
	}
	if len(passphrase) > most {
		return nil, fmt.Errorf("keystore: mnemonic passphrase has %d bytes, expected at most %d", len(passphrase), most)
	}
	salt, err := secret.New(len(prefix) + len(passphrase))
	if err != nil {
		return nil, err
	}
	defer salt.Destroy()
	copy(salt.Bytes()[copy(salt.Bytes(), prefix):], passphrase)
	normalized, err := eip2335.NFKD(salt.Bytes())
	if err != nil {
		return nil, err
	}
	defer normalized.Destroy()
	mac, err := kdf.NewMAC(sha512.New)
	if err != nil {
		return nil, err
	}
	defer mac.Destroy()
	seed, err := secret.New(sha512.Size)
	if err != nil {
		return nil, err
	}
	defer seed.Destroy()
	err = m.sentence.Use(func(sentence []byte) error {
		mac.PBKDF2(seed.Bytes(), sentence, normalized.Bytes(), 2048)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return NewSeed(seed.Bytes())
}

// Destroy wipes the mnemonic; every later use is an error.
func (m *Mnemonic) Destroy() { m.sentence.Destroy() }

func checkCount(words int) error {
	if !slices.Contains([]int{12, 15, 18, 21, 24}, words) {
		return fmt.Errorf("keystore: mnemonic has %d words, expected 12, 15, 18, 21 or 24", words)
	}
	return nil
}

// lower makes ASCII letters lower-case. In form NFKD no word has others that have a case: accents stand by themselves.
func lower(text []byte) {
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			text[i] = c + 'a' - 'A'
		}
	}
}
