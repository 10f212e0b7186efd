// Package checks holds the tests about the repository itself. It has no code of its own: `go test ./internal/checks`
// is what it is for.
//
//   - Who imports whom: the layers, the one importer of each cryptographic library, nothing of testing in what ships.
//   - What is exported (testdata/api.txt) and which modules are built (testdata/deps.txt) are golden files, so that a
//     change of either is a line that a reviewer sees. `make golden` writes them anew.
//   - What a program that imports only shamir links.
//   - No value that holds a secret prints it, whatever the verb, the logger or the encoder; and no type that holds one
//     is missing from that test.
//   - A README snippet is the body of an Example that the tests compile and run.
//   - Names, sizes, comments and wording that CONTRIBUTING.md asks for.
//
// Each checker is itself tested on a planted fault: a check that cannot fail proves nothing.
package checks
