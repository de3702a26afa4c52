package credentials_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/suoke-life/suoke/internal/model/credentials"
)

func TestAProofIsNotPrinted(t *testing.T) {
	t.Parallel()
	proof := credentials.Proof{Username: "somebody", Password: "open-sesame", Token: "a-token"}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("asked", "with", proof)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("asked", "with", proof)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("asked", "with", map[string]any{"in": proof})
	document, err := json.Marshal(map[string]any{"proof": proof, "pointer": &proof})
	if err != nil {
		t.Fatal(err)
	}
	printed := logged.String() + string(document) + fmt.Sprintf("%v %+v %#v %q %d %s", proof, proof, proof, proof, &proof, fmt.Errorf("with %v", proof))
	for _, secret := range []string{proof.Username, proof.Password, proof.Token} {
		if strings.Contains(printed, secret) {
			t.Errorf("%s is in %s", secret, printed)
		}
	}
}

func TestAProofIsReadFromADirectory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  credentials.Proof
		lacks string
	}{
		"a name and password":              {map[string]string{"username": "me\n", "password": "secret\n"}, credentials.Proof{Username: "me", Password: "secret"}, ""},
		"a token":                          {map[string]string{"token": "t"}, credentials.Proof{Token: "t"}, ""},
		"a token counts before a password": {map[string]string{"token": "t", "username": "me", "password": "secret"}, credentials.Proof{Token: "t"}, ""},
		"an empty token does not":          {map[string]string{"token": "\n", "username": "me", "password": "secret"}, credentials.Proof{Username: "me", Password: "secret"}, ""},
		"a name alone":                     {map[string]string{"username": "me"}, credentials.Proof{}, "has no key password"},
		"nothing":                          {nil, credentials.Proof{}, "has neither a token nor username and password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := credentials.InDir(dir)
			if got != c.want || errors.Is(err, credentials.ErrMissing) != (c.lacks != "") || err != nil && !strings.Contains(err.Error(), dir+" "+c.lacks) {
				t.Errorf("%#v, %v", got == c.want, err)
			}
		})
	}
	none := filepath.Join(t.TempDir(), "none")
	if _, err := credentials.InDir(none); !errors.Is(err, credentials.ErrMissing) {
		t.Errorf("a directory that is not there: %v", err)
	}
}
