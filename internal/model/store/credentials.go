package store

import (
	"fmt"
	"io"
	"log/slog"
)

// Credentials prove who we are to a registry: a token, or else a name and password. None are needed for the system's own.
type Credentials struct {
	Username, Password string
	Token              string
}

// String keeps credentials out of what is printed.
func (c Credentials) String() string {
	if c == (Credentials{}) {
		return "anonymous"
	}
	return "credentials"
}

// Format does so for every verb, %#v and %d too.
func (c Credentials) Format(to fmt.State, _ rune) { _, _ = io.WriteString(to, c.String()) }

// MarshalText does so for JSON.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue does so for logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }
