package hsm

import "errors"

var (
	// ErrNotFound: the backend has no such key. Look in another backend, or generate it.
	ErrNotFound = errors.New("hsm: no such key")

	// ErrExists: another key, or another label, is in the way of an Import. Nothing was stored.
	ErrExists = errors.New("hsm: exists already")

	// ErrUnavailable: the store, token or server cannot work now: in use, full, unreachable. The same call may succeed
	// later, or after what the text names has been done.
	ErrUnavailable = errors.New("hsm: not available")

	// ErrDenied: the backend works and its policy forbids this. Repeating the call does not help.
	ErrDenied = errors.New("hsm: denied")

	// ErrAuth: the passphrase, PIN or token is wrong or has expired. Log in again, which for most backends is to open
	// them again; do not repeat a PIN blindly, a token locks after a few wrong ones.
	ErrAuth = errors.New("hsm: not authenticated")

	// ErrCorrupt: what is stored is damaged or was altered. Nothing was changed; restore a copy.
	ErrCorrupt = errors.New("hsm: stored data is corrupt")

	// ErrClosed: the backend was closed. Open it again.
	ErrClosed = errors.New("hsm: backend is closed")
)
