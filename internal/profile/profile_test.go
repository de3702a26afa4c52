package profile_test

import (
	"testing"

	"github.com/suoke-life/suoke/internal/profile"
)

func TestEmbeddedProfileHasTheFourAgents(t *testing.T) {
	if got := profile.Embedded().Names(); len(got) != 4 {
		t.Errorf("agents: %v", got)
	}
}
