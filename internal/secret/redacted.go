package secret

import (
	"fmt"
	"io"
	"log/slog"
)

const redaction = "[secret]"

// Redacted, embedded in a struct, makes it print as [secret]: under every verb of fmt, in encoding/json, in every encoding
// that uses encoding.TextMarshaler, and in log/slog. It holds for the struct, for a pointer to it and for a copy.
//
// fmt does not call methods on a value that lies in an unexported field of another struct; it walks into it, and through
// one pointer. A type that embeds Redacted should therefore keep its secret two pointers away, as Buffer does.
type Redacted struct{}

// Format prints [secret] whatever the verb and the flags.
func (Redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redaction) }

// String returns [secret].
func (Redacted) String() string { return redaction }

// GoString returns [secret].
func (Redacted) GoString() string { return redaction }

// MarshalJSON returns the JSON string "[secret]".
func (Redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redaction + `"`), nil }

// MarshalText returns [secret].
func (Redacted) MarshalText() ([]byte, error) { return []byte(redaction), nil }

// LogValue returns [secret].
func (Redacted) LogValue() slog.Value { return slog.StringValue(redaction) }

// noCopy lets `go vet` report a copy of the struct that has it as a field.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
