package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/suoke-life/suoke/internal/model/store"
)

func TestCredentialsAreNotPrinted(t *testing.T) {
	shown := store.Credentials{Username: "somebody", Password: "open-sesame", Token: "a-token"}
	var printed bytes.Buffer
	for _, value := range []any{shown, &shown, store.Options{Credentials: shown}, []store.Credentials{shown}} {
		slog.New(slog.NewTextHandler(&printed, nil)).Info("asked", "with", value)
		fmt.Fprintf(&printed, "%v %+v %#v %q %s %d\n", value, value, value, value, value, value)
	}
	for _, value := range []any{shown, &shown, map[string]any{"in": shown}} {
		slog.New(slog.NewJSONHandler(&printed, nil)).Info("asked", "with", value)
		document, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		printed.Write(document)
	}
	for _, secret := range []string{shown.Username, shown.Password, shown.Token} {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%s is in %s", secret, printed.String())
		}
	}
}
