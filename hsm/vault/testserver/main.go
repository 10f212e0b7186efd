// Command testserver is HashiCorp Vault, built from its Go modules for the tests of this repository: server and
// command line in one program. Build it by `make vault`; package internal/vaulttest starts it. It is not for
// production, and no binary of it is distributed (Vault's licence is BUSL-1.1).
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
)

func main() { os.Exit(command.Run(os.Args[1:])) }
