package operator

import (
	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// acceptAction says whether what a person asks of a version does anything, or did. An action for an earlier attempt was
// acted upon, or came too late; in a file that is applied again it is no mistake.
func acceptAction(asked *suokev1.Action, version string, phase suokev1.VersionPhase, state rollout.State) Verdict {
	if asked == nil || int(asked.Attempt) < state.Attempts[version] {
		return accepted()
	}
	if latest := state.Attempts[version]; int(asked.Attempt) > latest {
		return refused(suokev1.ReasonInvalid, "action: attempt %d at %s has not begun; write attempt: %d, as status.attempt says", asked.Attempt, version, latest)
	}
	under := state.Release != nil && state.Release.Version == version && state.Release.Returning == nil
	switch asked.Type {
	case suokev1.ActionPromote:
		return acceptPromote(version, phase, under)
	case suokev1.ActionAbort:
		return acceptAbort(version, phase, under || state.Watch != nil && state.Watch.Version == version)
	case suokev1.ActionRetry:
		return acceptRetry(version, phase, state)
	default:
		return refused(suokev1.ReasonInvalid, "action: write type: Promote, Abort or Retry")
	}
}

func acceptPromote(version string, phase suokev1.VersionPhase, under bool) Verdict {
	switch {
	case under, phase == suokev1.VersionProduction, phase == suokev1.VersionDeprecated:
		return accepted()
	case phase == suokev1.VersionRollback:
		return refused(suokev1.ReasonInvalid, "action: %s was refused or returned, so there is nothing to promote; write type: Retry to begin it once more", version)
	default:
		return refused(suokev1.ReasonInvalid, "action: no release of %s is under way to be promoted; write version: %s in the AIModel to begin one", version, version)
	}
}

func acceptAbort(version string, phase suokev1.VersionPhase, possible bool) Verdict {
	switch {
	case possible, phase == suokev1.VersionRollback:
		return accepted()
	case phase == suokev1.VersionProduction:
		return refused(suokev1.ReasonInvalid, "action: nothing can be taken back from %s any more; write another version in the AIModel to leave it", version)
	default:
		return refused(suokev1.ReasonInvalid, "action: no release of %s is under way to be aborted; remove the action", version)
	}
}

func acceptRetry(version string, phase suokev1.VersionPhase, state rollout.State) Verdict {
	for _, refusal := range state.Refused {
		if refusal.Version == version {
			return accepted()
		}
	}
	if phase == suokev1.VersionRollback || phase == suokev1.VersionDraft || phase == suokev1.VersionDeprecated {
		return refused(suokev1.ReasonInvalid, "action: %s is not what the AIModel asks for; write version: %s there to release it", version, version)
	}
	return refused(suokev1.ReasonInvalid, "action: %s was not refused or returned, so there is nothing to retry; remove the action", version)
}
