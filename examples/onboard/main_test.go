package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// operators of the repository, seen from this package's folder.
const operators = "../../testdata/real-operators.json"

// onboarded runs the program once, for the tests that look at what it wrote.
func onboarded(t *testing.T, args ...string) (dir, out string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "out")
	out, err := program(append([]string{"-out", dir, "-operators", operators, "-passphrase-file", passphrase(t)}, args...)...)
	require.NoError(t, err)
	return dir, out
}

func program(args ...string) (string, error) {
	var out, diag bytes.Buffer
	err := run(context.Background(), args, &out, &diag)
	return out.String(), err
}

func passphrase(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "pass")
	require.NoError(t, os.WriteFile(path, []byte("correct horse battery staple\n"), 0o600))
	return path
}

func TestOnboard(t *testing.T) {
	dir, out := onboarded(t)
	require.Contains(t, out, "4 validators on hoodi")
	require.Contains(t, out, "examples, not yours: owner, withdrawal. Send nothing of this.")

	names := files(t, dir)
	require.Len(t, names, 4)
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Zero(t, info.Mode()&0o077, "%s can be read by others", name)
	}
	_, err := program("-verify", "-out", dir)
	require.NoError(t, err)
	_, err = program("-verify", "-out", dir, "-operators", operators, "-nonce", "0", "-validators", "4", "-network", "hoodi", "-amount", "32", "-owner", exampleOwner, "-withdrawal", examplePod)
	require.NoError(t, err)

	_, err = program("-out", dir, "-operators", operators, "-passphrase-file", passphrase(t))
	require.ErrorContains(t, err, "holds a batch already")
	require.Equal(t, names, files(t, dir), "nothing was written")
}

// TestREADME holds the README's first screen to be what the program prints.
func TestREADME(t *testing.T) {
	readme, b := string(read(t, "../../README.md")), read(t, operators)
	_, shown, ok := strings.Cut(readme, "$ make demo\n")
	require.True(t, ok)
	shown, _, ok = strings.Cut(shown, "\n$ make test\n")
	require.True(t, ok)
	pass := passphrase(t)
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("testdata", 0o700))
	replace(t, defaultOperators, b)
	out, err := program("-passphrase-file", pass)
	require.NoError(t, err)
	for random, same := range map[string]string{`0x[0-9a-f]{96}`: "KEY", `-\d{10}\.json`: "-TIME.json"} {
		random := regexp.MustCompile(random)
		shown, out = random.ReplaceAllString(shown, same), random.ReplaceAllString(out, same)
	}
	require.True(t, strings.HasSuffix(shown, out), "README.md has\n%s\nand the program prints\n%s", shown, out)
}

// TestSameKeysAgain makes the same validators again from the same key file.
func TestSameKeysAgain(t *testing.T) {
	dir := t.TempDir()
	pass, keys := passphrase(t), filepath.Join(dir, "keys.db")
	args := []string{"-operators", operators, "-passphrase-file", pass, "-keys", keys, "-validators", "2"}
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	_, err := program(append(args, "-out", a)...)
	require.NoError(t, err)
	_, err = program(append(args, "-out", b)...)
	require.NoError(t, err)
	require.Equal(t, deposits(t, a), deposits(t, b), "the same spec gives the same validators")
}

// TestOperatorFiles gives the operators in each of the three forms: all mean the same.
func TestOperatorFiles(t *testing.T) {
	dir, _ := onboarded(t, "-validators", "1")
	list := strings.ReplaceAll(string(read(t, operators)), `"operatorKey"`, `"ip":"https://operator:3030","public_key"`)
	info := filepath.Join(t.TempDir(), "operators_info.json")
	replace(t, info, []byte(list))
	for _, file := range []string{info, match(t, dir, "keyshares-*.json")} {
		again := filepath.Join(t.TempDir(), "out")
		_, err := program("-out", again, "-operators", file, "-passphrase-file", passphrase(t), "-keys", filepath.Join(dir, "keys.db"), "-validators", "1")
		require.NoError(t, err, file)
		require.Equal(t, deposits(t, dir), deposits(t, again), "the same spec gives the same validators")
	}
}

func TestMnemonic(t *testing.T) {
	words := filepath.Join(t.TempDir(), "words")
	require.NoError(t, os.WriteFile(words, []byte(strings.Repeat("abandon ", 11)+"about\n"), 0o600))
	dir, _ := onboarded(t, "-mnemonic-file", words, "-validators", "2")
	require.Contains(t, deposits(t, dir), "b3e445d43871965d890a398f719348a1405ac72e35b92727cc570026f54471af7ea7b2040622a8fd0b5bfb2a209b5911", "the key at m/12381/3600/0/0/0")

	_, err := program("-out", filepath.Join(t.TempDir(), "y"), "-operators", operators, "-passphrase-file", passphrase(t), "-keys", filepath.Join(dir, "keys.db"), "-mnemonic-file", words, "-nonce", "2")
	require.ErrorContains(t, err, "the mnemonic's key m/12381/3600/0/0/0, or the nonce, is another validator's there: -mnemonic-index")
	_, err = program("-out", filepath.Join(t.TempDir(), "y"), "-operators", operators, "-passphrase-file", passphrase(t), "-keys", filepath.Join(dir, "keys.db"), "-mnemonic-file", words, "-nonce", "2", "-mnemonic-index", "2")
	require.NoError(t, err, "the mistake has put no key under the label of another")

	_, err = program("-out", filepath.Join(t.TempDir(), "x"), "-operators", operators, "-passphrase-file", filepath.Join(filepath.Dir(words), "none"), "-mnemonic-file", words)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestBadInput holds that every refused command line writes nothing.
func TestBadInput(t *testing.T) {
	pass, empty := passphrase(t), filepath.Join(t.TempDir(), "empty")
	replace(t, empty, nil)
	open, long := empty+".open", empty+".long"
	replace(t, open, []byte("words"))
	require.NoError(t, os.Chmod(open, 0o644))
	replace(t, long, make([]byte, 5000))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"extra"}, `unexpected argument "extra"`},
		{[]string{"-network", "goerli"}, "-network"},
		{[]string{"-owner", "0x1234"}, "-owner"},
		{[]string{"-owner", "0x81592C3DE184a3E2c0dcb5a261bc107bfa91f494"}, "checksum"},
		{[]string{"-withdrawal", "81592c3de184a3e2c0dcb5a261bc107bfa91f494"}, "-withdrawal"},
		{[]string{"-withdrawal", "0x0000000000000000000000000000000000000000"}, "zero"},
		{[]string{"-owner", "0x0000000000000000000000000000000000000000"}, "owner: is the zero address"},
		{[]string{"-credentials", "0x00"}, "-credentials"},
		{[]string{"-amount", "32.0000000001"}, "-amount"},
		{[]string{"-amount", "0.5"}, "amount"},
		{[]string{"-amount", "33"}, "amount"},
		{[]string{"-credentials", "0x02", "-amount", "2049"}, "amount"},
		{[]string{"-credentials", "0x02", "-eigenpod"}, "EigenPod"},
		{[]string{"-eigenpod", "-network", "sepolia"}, "EigenPodManager"},
		{[]string{"-validators", "0"}, "-validators"},
		{[]string{"-nonce", "65533"}, "nonce"},
		{[]string{"-format", "v1.0.0"}, "-format"},
		{[]string{"-operators", "none.json"}, "none.json"},
		{[]string{"-operators", pass}, "-operators"},
		{[]string{"-operators", "/dev/zero"}, "-operators: /dev/zero has more than 67108864 bytes"},
		{[]string{"-out", ""}, "-out: is empty"},
		{[]string{"-out", pass}, "-out: "},
		{[]string{"-mnemonic-file", pass}, "-mnemonic-file"},
		{[]string{"-custody", "paper"}, `-custody: "paper"`},
		{[]string{"-vault-mount", "x"}, "-vault-mount is of -custody vault"},
		{[]string{"-custody", "pkcs11"}, "-passphrase-file"},
		{[]string{"-token", "dvkeys"}, "-token"},
		{[]string{"-passphrase-file", empty}, "passphrase"},
		{[]string{"-passphrase-file", empty + "x"}, "passphrase"},
		{[]string{"-mnemonic-index", "0"}, "-mnemonic-index"},
		{[]string{"-mnemonic-file", pass, "-mnemonic-index", "4294967296"}, "-mnemonic-index"},
		{[]string{"-mnemonic-file", pass, "-mnemonic-index", "4294967295", "-validators", "2"}, "-mnemonic-index"},
		{[]string{"-mnemonic-file", open}, "everybody can read it"},
		{[]string{"-mnemonic-file", long}, "more than 4096 bytes"},
		{[]string{"-funding", "-1"}, "-funding"},
		{[]string{"-funding", "1", "-network", "chiado"}, "SSV is not on"},
		{[]string{"-cluster", pass}, "-cluster"},
		{[]string{"-keys", filepath.Join(pass, "keys.db")}, "not a directory"},
		{[]string{"-network", "mainnet", "-withdrawal", examplePod}, "-owner: has to be given on mainnet"},
		{[]string{"-network", "gnosis", "-owner", exampleOwner}, "-withdrawal: has to be given on gnosis"},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		_, err := program(append([]string{"-out", dir, "-operators", operators, "-passphrase-file", pass}, c.args...)...)
		require.ErrorContains(t, err, c.want, "%q", c.args)
		require.NoDirExists(t, dir, "%q", c.args)
	}
}

// TestCorrupted changes one thing in a copy of a good folder and asks for the fault.
func TestCorrupted(t *testing.T) {
	pass := passphrase(t)
	good, _ := onboarded(t, "-validators", "3", "-passphrase-file", pass)
	other, _ := onboarded(t, "-validators", "3")
	const deposit, shares, txs = "deposit_data-*.json", "keyshares-*.json", "transactions.json"

	type edit = func(v any) any
	at := func(v any, path ...any) any {
		for _, p := range path {
			switch p := p.(type) {
			case int:
				v = v.([]any)[p]
			case string:
				v = v.(map[string]any)[p]
			}
		}
		return v
	}
	set := func(value any, path ...any) edit {
		return func(v any) any {
			at(v, path[:len(path)-1]...).(map[string]any)[path[len(path)-1].(string)] = value
			return v
		}
	}
	change := func(f func(string) string, path ...any) edit {
		return func(v any) any { return set(f(at(v, path...).(string)), path...)(v) }
	}
	flip := func(i int) func(string) string {
		return func(s string) string {
			if i < 0 {
				i += len(s)
			}
			b := []byte(s)
			if b[i] == '0' {
				b[i] = '1'
			} else {
				b[i] = '0'
			}
			return string(b)
		}
	}
	cut := func(n int) func(string) string { return func(s string) string { return s[:len(s)-n] } }
	swap := func(path ...any) edit {
		return func(v any) any {
			a := at(v, path...).([]any)
			a[0], a[1] = a[1], a[0]
			return v
		}
	}
	const sharesData = 2 + 2*96 // hex digits before the share keys
	payload := []any{"shares", 0, "payload", "sharesData"}

	for _, c := range []struct {
		name, file string
		edit       edit
		want       string
	}{
		{"deposit key of another", deposit, func(v any) any { return set(at(v, 1, "pubkey"), 0, "pubkey")(v) }, "root"},
		{"deposit key no point", deposit, change(flip(5), 0, "pubkey"), "pubkey"},
		{"deposit credentials", deposit, change(flip(-1), 0, "withdrawal_credentials"), "root"},
		{"deposit credentials padding", deposit, change(flip(4), 0, "withdrawal_credentials"), "deposit_message_root"},
		{"deposit amount", deposit, set(json.Number("31000000000"), 0, "amount"), "root"},
		{"deposit amount as text", deposit, set("32000000000", 0, "amount"), "amount"},
		{"deposit signature of another", deposit, func(v any) any { return set(at(v, 1, "signature"), 0, "signature")(v) }, "deposit_data_root"},
		{"deposit message root", deposit, change(flip(0), 0, "deposit_message_root"), "deposit_message_root"},
		{"deposit data root", deposit, change(flip(0), 0, "deposit_data_root"), "deposit_data_root"},
		{"deposit fork version", deposit, set("00000000", 0, "fork_version"), "fork_version"},
		{"deposit network name", deposit, set("mainnet", 0, "network_name"), "fork_version"},
		{"deposit unknown network", deposit, set("nonet", 0, "network_name"), "nonet"},
		{"deposit field missing", deposit, func(v any) any { delete(at(v, 0).(map[string]any), "amount"); return v }, "amount"},
		{"deposit twice", deposit, func(v any) any { a := v.([]any); a[1] = a[0]; return v }, "pubkey"},
		{"deposit dropped", deposit, func(v any) any { return v.([]any)[:2] }, "3 validators in the keyshares, 2 in the deposits"},
		{"deposits in another order", deposit, swap(), "in the deposits"},

		{"keyshares version", shares, set("v2.0.0", "version"), "version"},
		{"keyshares nonce", shares, set(json.Number("7"), "shares", 0, "data", "ownerNonce"), "nonce"},
		{"keyshares all nonces", shares, func(v any) any {
			for i := range 3 {
				v = set(json.Number([]string{"1", "2", "3"}[i]), "shares", i, "data", "ownerNonce")(v)
			}
			return v
		}, "signature"},
		{"keyshares owner", shares, set("0x388C818CA8B9251b393131C08a736A67ccB19297", "shares", 0, "data", "ownerAddress"), "owner"},
		{"keyshares data key of another", shares, func(v any) any {
			return set(at(v, "shares", 1, "data", "publicKey"), "shares", 0, "data", "publicKey")(v)
		}, "ublicKey"},
		{"keyshares operator id 0", shares, set(json.Number("0"), "shares", 0, "data", "operators", 0, "id"), "id"},
		{"keyshares operators unsorted", shares, swap("shares", 0, "payload", "operatorIds"), "operatorIds"},
		{"keyshares operator dropped", shares, func(v any) any {
			o := at(v, "shares", 0, "data").(map[string]any)
			o["operators"] = o["operators"].([]any)[:3]
			return v
		}, "operators"},
		{"keyshares operator key twice", shares, func(v any) any {
			return set(at(v, "shares", 0, "data", "operators", 1, "operatorKey"), "shares", 0, "data", "operators", 0, "operatorKey")(v)
		}, "key"},
		{"sharesData cut", shares, change(cut(2), payload...), "sharesData"},
		{"sharesData odd", shares, change(cut(1), payload...), "sharesData"},
		{"sharesData signature of another", shares, func(v any) any {
			sig := at(v, "shares", 1, "payload", "sharesData").(string)[:sharesData]
			return change(func(s string) string { return sig + s[sharesData:] }, payload...)(v)
		}, "signature"},
		{"share keys exchanged", shares, change(func(s string) string {
			a, b := s[sharesData:sharesData+96], s[sharesData+96:sharesData+192]
			return s[:sharesData] + b + a + s[sharesData+192:]
		}, payload...), "sharesData"},
		{"share key no point", shares, change(flip(sharesData+9), payload...), "sharesData"},
		{"ciphertext changed", shares, change(flip(-1), payload...), "transactions.json: transactions[0] (ssv-register of 3 validators): calldata"},

		{"transaction target", txs, set("0x388C818CA8B9251b393131C08a736A67ccB19297", "transactions", 1, "to"), "target"},
		{"transaction value", txs, set("31000000000000000000", "transactions", 1, "value"), "value"},
		{"transaction calldata", txs, change(flip(-1), "transactions", 1, "data"), "calldata"},
		{"registration calldata", txs, change(flip(-200), "transactions", 0, "data"), "calldata"},
		{"registration value", txs, set("-1", "transactions", 0, "value"), "amount: is -1"},
		{"transaction owner", txs, set("0x388C818CA8B9251b393131C08a736A67ccB19297", "owner"), "owner"},
		{"transaction network", txs, set("mainnet", "network"), "network"},
		{"transaction chain", txs, set(json.Number("1"), "chain_id"), "chain"},
		{"transaction kind", txs, set("deposit", "transactions", 2, "kind"), "kind"},
		{"transaction validators", txs, func(v any) any {
			return set(at(v, "transactions", 2, "validators"), "transactions", 1, "validators")(v)
		}, "validators"},
		{"transaction dropped", txs, func(v any) any {
			o := v.(map[string]any)
			o["transactions"] = o["transactions"].([]any)[:3]
			return v
		}, "3 transactions, expected 4"},
		{"transaction cluster", txs, set(json.Number("9"), "cluster", "validator_count"), "calldata"},
		{"transaction field unknown", txs, set("x", "surprise"), "surprise"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyFolder(t, good)
			path := match(t, dir, c.file)
			var v any
			d := json.NewDecoder(bytes.NewReader(read(t, path)))
			d.UseNumber()
			require.NoError(t, d.Decode(&v))
			b, err := json.Marshal(c.edit(v))
			require.NoError(t, err)
			replace(t, path, b)
			_, err = program("-verify", "-out", dir)
			require.ErrorContains(t, err, c.want)
			require.Regexp(t, `deposit|keyshares|transactions`, err.Error(), "the error names the file")
		})
	}
	for _, c := range []struct {
		name, want string
		damage     func(dir string)
	}{
		{"file of another batch", "validator", func(dir string) {
			replace(t, match(t, dir, shares), read(t, match(t, other, shares)))
		}},
		{"no keyshares", "has no keyshares", func(dir string) { require.NoError(t, os.Remove(match(t, dir, shares))) }},
		{"two deposit files", "more than one", func(dir string) {
			replace(t, filepath.Join(dir, "deposit_data-1.json"), read(t, match(t, dir, deposit)))
		}},
		{"empty file", "transactions.json", func(dir string) { replace(t, match(t, dir, txs), nil) }},
		{"data after the JSON", "transactions.json", func(dir string) {
			replace(t, match(t, dir, txs), append(read(t, match(t, dir, txs)), "{}"...))
		}},
		{"transaction target twice, in two cases", `transactions.json: has the unknown field "TO"`, func(dir string) {
			b := bytes.Replace(read(t, match(t, dir, txs)), []byte(`"to": "`), []byte(`"to": "0x388C818CA8B9251b393131C08a736A67ccB19297", "TO": "`), 1)
			replace(t, match(t, dir, txs), b)
		}},
		{"truncated deposits", "deposit_data", func(dir string) {
			b := read(t, match(t, dir, deposit))
			replace(t, match(t, dir, deposit), b[:len(b)/2])
		}},
		{"truncated keyshares", "keyshares", func(dir string) {
			b := read(t, match(t, dir, shares))
			replace(t, match(t, dir, shares), b[:len(b)/2])
		}},
		{"key file of another batch", "no such key", func(dir string) {
			replace(t, filepath.Join(dir, "keys.db"), read(t, filepath.Join(other, "keys.db")))
		}},
		{"one byte of each label in the key file", "keys.db", func(dir string) {
			b := read(t, filepath.Join(dir, "keys.db"))
			for i := range len(b) - 8 { // some are in pages that are no longer used
				if string(b[i:i+8]) == "onboard/" {
					b[i+7] ^= byte(1 + i%127)
				}
			}
			replace(t, filepath.Join(dir, "keys.db"), b)
		}},
		{"truncated key file", "keys.db", func(dir string) {
			b := read(t, filepath.Join(dir, "keys.db"))
			replace(t, filepath.Join(dir, "keys.db"), b[:len(b)/2])
		}},
		{"a pipe", "is not a regular file", func(dir string) {
			path := match(t, dir, txs)
			require.NoError(t, os.Remove(path))
			require.NoError(t, syscall.Mkfifo(path, 0o600))
		}},
		{"no folder", "no such file", func(dir string) { require.NoError(t, os.RemoveAll(dir)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyFolder(t, good)
			c.damage(dir)
			_, err := program("-verify", "-out", dir)
			require.ErrorContains(t, err, c.want)
		})
	}
	// All faults of both files are named.
	_, err := program("-verify", "-out", good, "-withdrawal", exampleOwner, "-owner", examplePod)
	for i := range 3 {
		require.ErrorContains(t, err, fmt.Sprintf("dvkeys: %s: deposit %d: withdrawal to %s, expected %s", filepath.Base(match(t, good, deposit)), i, examplePod, exampleOwner))
		require.ErrorContains(t, err, fmt.Sprintf("dvkeys: %s: ssv: shares[%d].data.ownerAddress: is %s, want %s", filepath.Base(match(t, good, shares)), i, exampleOwner, examplePod))
	}
	_, err = program("-verify", "-out", good)
	require.NoError(t, err, "the original still verifies")
	_, err = program("-verify", "-out", good, "-passphrase-file", pass)
	require.NoError(t, err, "its keys open")
	without := copyFolder(t, good)
	require.NoError(t, os.Remove(filepath.Join(without, "keys.db")))
	text, err := program("-verify", "-out", without)
	require.NoError(t, err, "the keys may be in Vault, or with operators who made them")
	require.Contains(t, text, "keys.db: is not there, so that their keys have to be elsewhere")
	_, err = program("-verify", "-out", without, "-keys", filepath.Join(without, "keys.db"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	replace(t, pass, []byte("another\n"))
	_, err = program("-verify", "-out", good, "-passphrase-file", pass)
	require.ErrorContains(t, err, "passphrase")
}

// TestFunding registers into a cluster that exists, with funds.
func TestFunding(t *testing.T) {
	cluster := filepath.Join(t.TempDir(), "cluster.json")
	replace(t, cluster, []byte(`{"validator_count":3,"network_fee_index":1,"index":2,"active":true,"balance":"5"}`))
	dir, _ := onboarded(t, "-validators", "1", "-nonce", "3", "-funding", "1.5", "-cluster", cluster)
	path := filepath.Join(dir, "transactions.json")
	b := string(read(t, path))
	require.Contains(t, b, `"value": "1500000000000000000"`)
	require.Contains(t, b, `"validator_count": 3`)
	require.NotContains(t, b, "note")
	_, err := program("-verify", "-out", dir, "-funding", "1.5", "-cluster", cluster)
	require.NoError(t, err)
	replace(t, cluster, []byte(`{"validator_count":4,"network_fee_index":1,"index":2,"active":true,"balance":"5"}`))
	_, err = program("-verify", "-out", dir, "-cluster", cluster)
	require.ErrorContains(t, err, "cluster")
	replace(t, path, []byte(strings.Replace(b, `"1500000000000000000"`, `"1500000000000000001"`, 1)))
	_, err = program("-verify", "-out", dir, "-funding", "1.5")
	require.ErrorContains(t, err, "transactions[0] (ssv-register of 0x")

	dir, _ = onboarded(t, "-validators", "1", "-nonce", "3")
	require.Contains(t, string(read(t, filepath.Join(dir, "transactions.json"))), "the owner has registered before")
}

// TestVerifyAgainstFlags expects what the flags say and the folder does not, and
// refuses the flags that it could not hold against the folder.
func TestVerifyAgainstFlags(t *testing.T) {
	dir, _ := onboarded(t, "-validators", "1")
	keys := filepath.Join(dir, "keys.db")
	const other = "0x388C818CA8B9251b393131C08a736A67ccB19297"
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-owner", other}, "owner"},
		{[]string{"-nonce", "1"}, "ownerNonce"},
		{[]string{"-validators", "2"}, "1 deposits, expected 2"},
		{[]string{"-network", "mainnet"}, "network"},
		{[]string{"-amount", "31"}, "amount"},
		{[]string{"-withdrawal", other}, "withdrawal"},
		{[]string{"-credentials", "0x02"}, "0x01 withdrawal credentials"},
		{[]string{"-eigenpod=false"}, "kind"},
		{[]string{"-format", "v1.1.0"}, "version"},

		{[]string{"-validators", "0"}, "-validators"},
		{[]string{"-amount", "0"}, "-amount"},
		{[]string{"-owner", "0x0000000000000000000000000000000000000000"}, "-owner"},
		{[]string{"-withdrawal", "0x0000000000000000000000000000000000000000"}, "-withdrawal"},
		{[]string{"-mnemonic-file", keys}, "-mnemonic-file"},
		{[]string{"-mnemonic-index", "0"}, "-mnemonic-index"},
		{[]string{"-custody", "pkcs11", "-token", "dvkeys"}, "-token"},
		{[]string{"-store", keys}, "-store"},
	} {
		_, err := program(append([]string{"-verify", "-out", dir}, c.args...)...)
		require.ErrorContains(t, err, c.want, "%q", c.args)
	}
	for _, args := range [][]string{
		{"-credentials", "0x01"}, {"-eigenpod"}, {"-format", "v1.2.0"}, {"-amount", "32"}, {"-validators", "1"}, {"-keys", keys},
	} {
		_, err := program(append([]string{"-verify", "-out", dir}, args...)...)
		require.NoError(t, err, "%q", args)
	}
}

func files(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func match(t *testing.T, dir, pattern string) string {
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(t, err)
	require.Len(t, found, 1, pattern)
	return found[0]
}

func read(t *testing.T, path string) []byte {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

func deposits(t *testing.T, dir string) string {
	return string(read(t, match(t, dir, "deposit_data-*.json")))
}

func replace(t *testing.T, path string, b []byte) {
	if err := os.Remove(path); err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

func copyFolder(t *testing.T, dir string) string {
	to := t.TempDir()
	for _, name := range files(t, dir) {
		replace(t, filepath.Join(to, name), read(t, filepath.Join(dir, name)))
	}
	return to
}
