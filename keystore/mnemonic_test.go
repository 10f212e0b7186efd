package keystore_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keystore"
)

// lists are the SHA-256 of BIP-39's word lists: normalised (NFKD), one word a line.
var lists = map[keystore.Language]string{
	keystore.English:            "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda",
	keystore.Japanese:           "2eed0aef492291e061633d7ad8117f1a2b03eb80a29d0e4e3117ac2528d05ffd",
	keystore.Korean:             "9e95f86c167de88f450f0aaf89e87f6624a57f973c67b516e338e8e8b8897f60",
	keystore.Spanish:            "46846a5a0139d1e3cb77293e521c2865f7bcdb82c44e8d0a06a2cd0ecba48c0b",
	keystore.ChineseSimplified:  "5c5942792bd8340cb8b27cd592f1015edf56a8c5b26276ee18a482428e7c5726",
	keystore.ChineseTraditional: "417b26b3d8500a4ae3d59717d7011952db6fc2fb84b807f3f94ac734e89c1b5f",
	keystore.French:             "ebc3959ab7801a1df6bac4fa7d970652f1df76b683cd2f4003c941c63d517e59",
	keystore.Italian:            "d392c49fdb700a24cd1fceb237c1f65dcc128f6b34a8aacb58b59384b5c648c2",
	keystore.Czech:              "7e80e161c3e93d9554c2efb78d4e3cebf8fc727e9c52e03b83b94406bdcc95fc",
	keystore.Portuguese:         "2685e9c194c82ae67e10ba59d9ea5345a23dc093e92276fc5361f6667d79cd3f",
}

func words(t require.TestingT, l keystore.Language) []string {
	text, err := os.ReadFile("wordlists/" + l.String() + ".txt")
	require.NoError(t, err)
	return strings.Fields(string(text))
}

func abbreviation(word string) string {
	letters := []rune(norm.NFKC.String(word))
	return string(letters[:min(4, len(letters))])
}

func TestWordLists(t *testing.T) {
	require.Len(t, lists, 10)
	for l, want := range lists {
		t.Run(l.String(), func(t *testing.T) {
			text, err := os.ReadFile("wordlists/" + l.String() + ".txt")
			require.NoError(t, err)
			require.Equal(t, want, fmt.Sprintf("%x", sha256.Sum256(text)))
			list := words(t, l)
			require.Len(t, list, 2048)
			full, short := map[string]bool{}, map[string]bool{}
			for _, w := range list {
				require.Equal(t, norm.NFKD.String(w), w)
				require.Equal(t, strings.ToLower(w), w)
				require.LessOrEqual(t, len(w), 33)
				full[w], short[abbreviation(w)] = true, true
			}
			require.Len(t, full, 2048)
			require.Len(t, short, 2048, "four letters tell a word from all others")
		})
	}
}

func sentence(t require.TestingT, m *keystore.Mnemonic) (s string) {
	require.NoError(t, m.Use(func(text []byte) error {
		s = string(text)
		return nil
	}))
	return s
}

// TestMnemonicVectors reads the vectors in nine languages, as they are, in each normalisation, abbreviated and in capitals.
func TestMnemonicVectors(t *testing.T) {
	var v map[string][][3]string // entropy, words, seed under the passphrase TREZOR
	vectors.JSON(t, "eip2333/mnemonic.json", &v)
	require.Len(t, v, 9)
	for name, cases := range v {
		t.Run(name, func(t *testing.T) {
			require.NotEmpty(t, cases)
			for _, c := range cases {
				short := strings.Fields(norm.NFKD.String(c[1]))
				for i, w := range short {
					short[i] = abbreviation(w)
				}
				for _, text := range []string{
					c[1], norm.NFC.String(c[1]), norm.NFD.String(c[1]), norm.NFKC.String(c[1]), norm.NFKD.String(c[1]),
					strings.Join(short, " "), strings.ToUpper(c[1]), "\n " + strings.ReplaceAll(c[1], " ", "\u3000\t\r\n"),
				} {
					m, err := keystore.ParseMnemonic([]byte(text))
					require.NoError(t, err)
					require.Equal(t, name, m.Language().String())
					require.Equal(t, norm.NFKD.String(c[1]), sentence(t, m))
					m.Destroy()
				}
				m, err := keystore.ParseMnemonic([]byte(c[1]))
				require.NoError(t, err)
				seed, err := m.Seed([]byte("TREZOR"))
				require.NoError(t, err)
				require.Equal(t, c[2], seedHex(t, seed))
				entropy, err := hex.DecodeString(c[0])
				require.NoError(t, err)
				require.Equal(t, len(entropy)*3/4, len(strings.Fields(sentence(t, m))))
			}
		})
	}
}

// TestAmbiguous: words that are a mnemonic in simplified and in traditional Chinese need the language named.
func TestAmbiguous(t *testing.T) {
	var v []string
	vectors.JSON(t, "eip2333/multi_lang_mnemonic.json", &v)
	require.NotEmpty(t, v)
	for _, text := range v {
		_, err := keystore.ParseMnemonic([]byte(text))
		require.EqualError(t, err, "keystore: the words are a mnemonic in more than one language, "+
			"[chinese_simplified chinese_traditional]: name the one that is meant")
		for _, l := range []keystore.Language{keystore.ChineseSimplified, keystore.ChineseTraditional} {
			m, err := keystore.ParseMnemonic([]byte(text), l)
			require.NoError(t, err)
			require.Equal(t, l, m.Language())
			require.Equal(t, text, sentence(t, m))
		}
		_, err = keystore.ParseMnemonic([]byte(text), keystore.English, keystore.Czech)
		require.ErrorContains(t, err, "word 1 is in none of the word lists")
	}
}

// TestNewMnemonic makes mnemonics of every length and language and reads them, in full and abbreviated.
func TestNewMnemonic(t *testing.T) {
	seen := map[string]bool{}
	for l := range lists {
		for _, n := range []int{12, 15, 18, 21, 24} {
			m, err := keystore.NewMnemonic(n, l)
			require.NoError(t, err)
			require.Equal(t, l, m.Language())
			text := sentence(t, m)
			require.False(t, seen[text])
			seen[text] = true
			list := strings.Fields(text)
			require.Len(t, list, n)
			for i := range list {
				list[i] = abbreviation(list[i])
			}
			again, err := keystore.ParseMnemonic([]byte(strings.Join(list, " ")), l)
			require.NoError(t, err)
			require.Equal(t, text, sentence(t, again))
		}
	}
	for _, n := range []int{-3, 0, 3, 9, 11, 13, 23, 25, 27} {
		_, err := keystore.NewMnemonic(n, keystore.English)
		require.EqualError(t, err, fmt.Sprintf("keystore: mnemonic has %d words, expected 12, 15, 18, 21 or 24", n))
	}
	for _, l := range []keystore.Language{-1, 10} {
		_, err := keystore.NewMnemonic(24, l)
		require.EqualError(t, err, fmt.Sprintf("keystore: Language(%d) is not one of BIP-39's word lists", l))
		_, err = keystore.ParseMnemonic([]byte("x"), l)
		require.EqualError(t, err, fmt.Sprintf("keystore: Language(%d) is not one of BIP-39's word lists", l))
	}
}

// TestNewMnemonicIsRandom counts words: each of 2048 should come up.
func TestNewMnemonicIsRandom(t *testing.T) {
	count := map[string]int{}
	const mnemonics = 1000
	for range mnemonics {
		m, err := keystore.NewMnemonic(24, keystore.English)
		require.NoError(t, err)
		for _, w := range strings.Fields(sentence(t, m)) {
			count[w]++
		}
	}
	require.Greater(t, len(count), 2040)
	for w, n := range count { // about 12 of each
		require.Less(t, n, 50, w)
	}
}

func TestParseMnemonicRefuses(t *testing.T) {
	abandon := strings.Repeat("abandon ", 11)
	for _, c := range []struct{ text, want string }{
		{"", "has 0 words, expected 12, 15, 18, 21 or 24"},
		{abandon, "has 11 words"},
		{abandon + "about about", "has 13 words"},
		{strings.Repeat("abandon ", 27), "has 27 words"},
		{abandon + "abandon", "checksum does not hold: a word is wrong, or two are exchanged"},
		{"about " + abandon, "checksum does not hold"},
		{abandon + "aboutt", "word 12 is not in the english word list, in full or by its first four letters"},
		{abandon + "abo", "word 12 is not in the english word list"},
		{strings.Replace(abandon, "abandon", "aband", 1) + "about", "word 1 is in none of the word lists"},
		{"abandon frost" + strings.Repeat(" ábaco", 10), "word 3 is not in the english word list"},
		{"abaco" + strings.Repeat(" abaisser", 11), "word 2 is not in the italian word list"},
		{strings.Repeat("\xff ", 12), "word 1 is in none of the word lists"},
		{strings.Repeat("x", 4097), "mnemonic has 4097 bytes, expected at most 4096"},
	} {
		_, err := keystore.ParseMnemonic([]byte(c.text))
		require.ErrorContains(t, err, c.want, c.text)
		require.True(t, strings.HasPrefix(err.Error(), "keystore: "), err)
	}
	_, err := keystore.ParseMnemonic([]byte(abandon+"about"), keystore.French)
	require.EqualError(t, err, "keystore: mnemonic word 12 is not in the french word list, in full or by its first four letters")
}

// TestMnemonicErrorsTellNothing puts one wrong word among others and looks for all of them in the error.
func TestMnemonicErrorsTellNothing(t *testing.T) {
	const messages = "keystore: mnemonic has 11 words, expected or word is in none of the word lists; word is not in the english " +
		"word list, in full or by its first four letters; checksum does not hold: a word is wrong, or two are exchanged"
	var english []string
	for _, w := range words(t, keystore.English) {
		if !strings.Contains(messages, w) {
			english = append(english, w)
		}
	}
	require.Greater(t, len(english), 2000)
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.SampledFrom(english), 11, 25).Draw(t, "words")
		list[rapid.IntRange(0, len(list)-1).Draw(t, "place")] = rapid.StringMatching(`q[b-z]{5,12}`).Draw(t, "other")
		_, err := keystore.ParseMnemonic([]byte(strings.Join(list, " ")))
		require.Error(t, err)
		for _, w := range list {
			require.NotContains(t, err.Error(), w)
		}
	})
}

func TestSeedPassphrase(t *testing.T) {
	m, err := keystore.ParseMnemonic([]byte(strings.Repeat("abandon ", 11) + "about"))
	require.NoError(t, err)
	of := func(passphrase string) string {
		seed, err := m.Seed([]byte(passphrase))
		require.NoError(t, err)
		return seedHex(t, seed)
	}
	require.Equal(t, of("\u00e9\u212b"), of("e\u0301A\u030a"), "the passphrase is normalised")
	require.NotEqual(t, of(""), of("\n"), "every character counts")
	require.NotEqual(t, of(""), of(" "))
	require.Equal(t, "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc19a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4", of(""))
	_, err = m.Seed([]byte("\xff"))
	require.EqualError(t, err, "keystore: mnemonic passphrase is not UTF-8")
	_, err = m.Seed([]byte(strings.Repeat("x", 4001)))
	require.EqualError(t, err, "keystore: mnemonic passphrase has 4001 bytes, expected at most 4000")
	_, err = m.Seed([]byte(strings.Repeat("\ufdfa", 4000/3)))
	require.NoError(t, err)

	m.Destroy()
	_, err = m.Seed(nil)
	require.Error(t, err)
	require.Error(t, m.Use(func([]byte) error { return nil }))
}

func TestMnemonicIsRedacted(t *testing.T) {
	m, err := keystore.NewMnemonic(12, keystore.English)
	require.NoError(t, err)
	seed, err := m.Seed(nil)
	require.NoError(t, err)
	for _, v := range []any{m, *m, seed, *seed} { //nolint:govet // a copy, to see it printed
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			require.Equal(t, "[secret]", fmt.Sprintf(verb, v))
		}
		b, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, `"[secret]"`, string(b))
	}
}

// FuzzParseMnemonic holds that what parses is written in a form that parses to the same.
func FuzzParseMnemonic(f *testing.F) {
	f.Add([]byte(strings.Repeat("abandon ", 11) + "about"))
	f.Add([]byte(strings.Repeat("ABAN\u3000", 11) + "\nabou"))
	f.Add([]byte(strings.Repeat("あいこくしん ", 11) + "あおぞら"))
	f.Add([]byte("的 的 的 的 的 的 的 的 的 的 的 在"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := keystore.ParseMnemonic(text)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "keystore: "), err)
			return
		}
		full := sentence(t, m)
		require.True(t, utf8.ValidString(full))
		again, err := keystore.ParseMnemonic([]byte(full), m.Language())
		require.NoError(t, err)
		require.Equal(t, full, sentence(t, again))
	})
}
