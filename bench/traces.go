// Package bench holds recorded arrivals to replay; data/README.md says where they come from.
package bench

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
)

//go:embed data/AzureLLMInferenceTrace_conv.csv.gz
var conversation []byte

// Conversation returns an hour of requests to a conversation service, as CSV with a column TIMESTAMP.
func Conversation() (io.Reader, error) {
	r, err := gzip.NewReader(bytes.NewReader(conversation))
	if err != nil {
		return nil, fmt.Errorf("unpacking the conversation trace: %w", err)
	}
	return r, nil
}
