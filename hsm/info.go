package hsm

import "fmt"

// Info says what a backend is.
type Info struct {
	Kind           string     // the backend's package: "software", …
	Device         string     // where the secrets are stored: a file, a token's name and serial number, a server
	Protection     Protection // where the secrets are when used
	HardwareBacked bool       // whether a secret or the key that wraps it is in hardware that does not give it out
}

// Protection says where a BLS secret is, and so what it takes to steal it. A higher value protects from more.
type Protection int

// The levels. Only of Native may it be said that a secret never leaves the hardware.
const (
	// Enveloped: encrypted at rest; in guarded memory of this process while the key is open. It withstands theft of
	// the disk or of a backup, not root, a debugger or other code in this process.
	Enveloped Protection = iota + 1

	// JustInTime: wrapped by a key that never leaves the token; in guarded memory of this process only while it signs.
	// It withstands also most dumps and scans of memory, and theft of all that is on the host without the token.
	// Disabling the token's key stops all signing. Code in this process can still ask the token as this library does.
	JustInTime

	// Isolated: generated and used in another process, never in this one. It withstands also anything that goes wrong
	// in this process, which can ask for signatures but cannot learn the key; not root on the other process's host.
	Isolated

	// Native: generated and used in the token. Nobody extracts it; misuse for signing remains.
	Native
)

// String returns the level's name.
func (p Protection) String() string {
	switch p {
	case Enveloped:
		return "Enveloped"
	case JustInTime:
		return "JustInTime"
	case Isolated:
		return "Isolated"
	case Native:
		return "Native"
	}
	return fmt.Sprintf("Protection(%d)", int(p))
}
