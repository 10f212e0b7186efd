// Command vault-plugin-dvkeys is the secrets engine for BLS12-381 validator keys. Vault starts it; docs/vault.md says how
// to install it.
package main

import (
	"os"
	"runtime"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/sdk/plugin"

	dvkeys "github.com/claystack/dvkeys/hsm/vault/plugin"
)

func main() {
	meta := api.PluginAPIClientMeta{}
	flags := meta.FlagSet()
	if err := flags.Parse(os.Args[1:]); err != nil {
		fatal(err)
	}
	// Signatures are computed in C, and the scheduler takes a while to see that who is there does not need his processor for Go:
	// beside as many as compute, there are as many for the requests.
	runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	go endWithVault()
	err := plugin.ServeMultiplex(&plugin.ServeOpts{
		BackendFactoryFunc: dvkeys.Factory,
		TLSProviderFunc:    api.VaultPluginTLSProvider(meta.GetTLSConfig()),
	})
	if err != nil {
		fatal(err)
	}
}

// endWithVault ends the process, and so wipes what is in its memory, when Vault's process is gone, however it went: a
// plugin of which nobody asks anything any more would otherwise keep its keys open until the machine stops.
func endWithVault() {
	vault := os.Getppid()
	for os.Getppid() == vault {
		time.Sleep(time.Second)
	}
	os.Exit(1)
}

func fatal(err error) {
	hclog.New(&hclog.LoggerOptions{Name: "vault-plugin-dvkeys"}).Error("plugin ends", "error", err)
	os.Exit(1)
}
