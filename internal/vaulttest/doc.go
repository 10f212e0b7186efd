// Package vaulttest starts a real Vault for tests: a server of its own for each test that asks, on a free port of the
// loopback interface, with everything in a folder that goes with the test.
//
//	server := vaulttest.Start(t, &vaulttest.Options{Plugin: true})
//	server.Mount(t, "dvkeys")
//	err := server.Call("PUT", "dvkeys/keys/validator-1", nil, nil)
//
// The server is initialized, unsealed, and writes an audit log. By default its storage is in memory and it is ready in
// about a second; with Options.Raft it is on the disk, so that the server can be killed and started again.
//
// The program is the one that `make vault` has built, or the one that the environment variable DVKEYS_VAULT_BIN names
// (a vault or a bao). Without it the test is skipped and says so; with CI=true it fails.
//
// Only tests import this package.
package vaulttest
