package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/internal/durable"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/internal/strictjson"
)

// sharesFile is what lies on the disk.
type sharesFile struct {
	Key       string   `json:"key"`       // label of the RSA key
	Threshold int      `json:"threshold"` // how many shares it takes
	Shares    [][]byte `json:"shares"`    // RSAES-PKCS1-v1_5 of each
}

// wrap encrypts the shares of a new Vault to the RSA key, writes the file, and prints the root token.
func wrap(ctx context.Context, token *pkcs11.Token, o *options, in io.Reader, out io.Writer) error {
	rsaKey := token.RSA(o.key)
	key, err := rsaKey.PublicKey(ctx)
	if errors.Is(err, hsm.ErrNotFound) {
		if rsaKey, err = token.GenerateRSA(ctx, o.key); err == nil {
			key, err = rsaKey.PublicKey(ctx)
		}
	}
	if err != nil {
		return err
	}
	room := make([]byte, 64<<10) // not grown while it is read, which would leave copies
	defer secret.Wipe(room)
	n, err := io.ReadFull(in, room)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	input := room[:n]
	var initial struct {
		Shares    [][]byte `json:"unseal_keys_b64"`
		Threshold int      `json:"unseal_threshold"`
		Token     string   `json:"root_token"`
	}
	defer func() {
		for _, s := range initial.Shares {
			secret.Wipe(s)
		}
	}()
	if err := json.Unmarshal(input, &initial); err != nil || len(initial.Shares) == 0 || initial.Threshold < 1 {
		return errors.New("stdin is not what vault operator init -format=json prints") // the cause may quote a share
	}
	file := sharesFile{Key: o.key, Threshold: initial.Threshold}
	for _, share := range initial.Shares {
		//lint:ignore SA1019 PKCS #1 v1.5 is what the token's key decrypts, and nobody can ask it from outside
		wrapped, err := rsa.EncryptPKCS1v15(rand.Reader, key, share)
		if err != nil {
			return err
		}
		opened, err := rsaKey.Decrypt(nil, wrapped, nil)
		same := bytes.Equal(opened, share)
		secret.Wipe(opened)
		if err == nil && !same {
			err = errors.New("it gives something else")
		}
		if err != nil {
			return fmt.Errorf("the token's key %q does not decrypt what is encrypted to it: %w: use another key, and initialize a new Vault", o.key, err)
		}
		file.Shares = append(file.Shares, wrapped)
	}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.Create(o.shares, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("%w: without this file the Vault can not be unsealed: initialize a new one", err)
	}
	_, err = fmt.Fprintln(out, initial.Token)
	return err
}

// readShares reads the file.
func readShares(o *options) (*sharesFile, error) {
	text, err := os.ReadFile(o.shares)
	if err != nil {
		return nil, err
	}
	var file sharesFile
	if err := strictjson.Decode(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", o.shares, err)
	}
	if len(file.Shares) == 0 {
		return nil, fmt.Errorf("%s: it has no shares", o.shares)
	}
	return &file, nil
}
