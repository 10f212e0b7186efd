package keystore

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/unicode/norm"
)

// Language is a word list of BIP-39.
type Language int

// The word lists of BIP-39.
const (
	English Language = iota
	Japanese
	Korean
	Spanish
	ChineseSimplified
	ChineseTraditional
	French
	Italian
	Czech
	Portuguese
)

// languages are the names of the lists' files.
var languages = [...]string{
	"english", "japanese", "korean", "spanish", "chinese_simplified", "chinese_traditional", "french", "italian", "czech",
	"portuguese",
}

// String returns the language's English name in lower case, with an underscore for a space.
func (l Language) String() string {
	if !l.valid() {
		return fmt.Sprintf("Language(%d)", int(l))
	}
	return languages[l]
}

func (l Language) valid() bool { return 0 <= l && int(l) < len(languages) }

// wordBits is how many bits a word stands for.
const wordBits = 11

// wordList is one language's 2048 words.
type wordList struct {
	words []string          // normalised (NFKD), as BIP-39 hashes them
	index map[string]uint16 // by the normalised word or its first four letters, which tell it from all others
}

//go:embed wordlists
var files embed.FS

// lists reads each list when it is first needed.
var lists = func() (load [len(languages)]func() *wordList) {
	for l := range load {
		load[l] = sync.OnceValue(func() *wordList { return readList(Language(l)) })
	}
	return load
}()

func (l Language) list() *wordList { return lists[l]() }

func readList(l Language) *wordList {
	text, _ := files.ReadFile("wordlists/" + l.String() + ".txt") // is embedded
	list := &wordList{words: strings.Fields(string(text))}
	list.index = make(map[string]uint16, 2*len(list.words))
	for i, word := range list.words {
		list.index[word] = uint16(i)
		list.index[abbreviate(word)] = uint16(i)
	}
	return list
}

// abbreviate returns the first four letters of a word. What a letter is, a reader sees: a syllable of Korean is one, and
// so is a letter with its accent. That is form NFKC, while words are compared in NFKD.
func abbreviate(word string) string {
	letters := []rune(norm.NFKC.String(word))
	return norm.NFKD.String(string(letters[:min(4, len(letters))]))
}

// longestWord is the length in bytes of the longest word of all lists.
const longestWord = 33

// candidates returns the languages to look for words in: those named, or all.
func candidates(in []Language) ([]Language, error) {
	for _, l := range in {
		if !l.valid() {
			return nil, fmt.Errorf("keystore: %v is not one of BIP-39's word lists", l)
		}
	}
	if len(in) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(in))), nil
	}
	all := make([]Language, len(languages))
	for i := range all {
		all[i] = Language(i)
	}
	return all, nil
}

// lookUp sets indices, which has two bytes for each word, to the words' places in the list. It returns how many words it
// found before one that is not in the list.
func (w *wordList) lookUp(words [][]byte, indices []byte) int {
	for n, word := range words {
		i, ok := w.index[string(word)] // no string is made for this
		if !ok {
			return n
		}
		indices[2*n], indices[2*n+1] = byte(i>>8), byte(i)
	}
	return len(words)
}
