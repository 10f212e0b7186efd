package vault_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault"
)

// A service logs in with an AppRole whose secret_id was handed to it wrapped, and opens the secrets engine. What can not be
// right is refused before anything is sent: an address that is not encrypted, here.
func ExampleOpen() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	keys, err := vault.Open(ctx, vault.Config{
		Address: "http://vault.example.org:8200",
		Auth:    vault.AppRole("8a6e0c4b", vault.File("secret-id"), &vault.AppRoleOptions{Wrapped: true}),
		TLS:     vault.TLS{CAFile: "vault-ca.pem"},
	})
	switch {
	case errors.Is(err, hsm.ErrAuth):
		fmt.Println("ask for a new secret_id:", err)
		return
	case err != nil:
		fmt.Println(err)
		return
	}
	defer keys.Close()

	if err := keys.Health(ctx); err != nil {
		fmt.Println("not ready:", err)
		return
	}
	key, err := keys.Generate(ctx, "batch 7, validator 3")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(key.PublicKey())
	// Output: vault: address http://vault.example.org:8200 is not encrypted, expected https: http is accepted for a loopback address only
}

// Without the secrets engine, transit seals the keys and KV keeps them.
func ExampleOpenTransit() {
	keys, err := vault.OpenTransit(context.Background(), vault.Config{
		Address: "https://vault.example.org:8200",
	}, vault.TransitConfig{Key: "validators", KV: vault.KV{Mount: "secret", Path: "validators"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	fmt.Println(keys.Info().Protection)
	// Output: vault: no Auth, expected one of AppRole, TokenFile and Kubernetes
}
