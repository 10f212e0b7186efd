package secret

import "errors"

var (
	// ErrLocked says that the system refused to lock memory. Nothing was stored.
	ErrLocked = errors.New("secret: memory cannot be locked: raise RLIMIT_MEMLOCK " +
		"(`ulimit -l` in a shell, LimitMEMLOCK= in a systemd unit, --ulimit memlock= for a container)")

	// ErrDestroyed says that the secret was used after its Destroy.
	ErrDestroyed = errors.New("secret: used after Destroy")

	// ErrOpen says that sealed bytes do not open: another key, another context, or bytes that were changed or cut.
	// Which of these it was cannot be told.
	ErrOpen = errors.New("secret: sealed bytes do not open: the key or the context is another, or the bytes were altered")
)
