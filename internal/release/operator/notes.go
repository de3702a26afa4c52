package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// applyNotes writes what was found out about the wanted version since it was frozen into its ControllerRevision, where it
// outlives the operator, and tells it: the credentials that it was given, and what its tag names now.
func (m *models) applyNotes(ctx context.Context, seen *observed) error {
	f, known := seen.known[seen.wanted]
	if !known {
		return nil
	}
	notes := map[string]string{}
	if f.renewed {
		text, err := json.Marshal(renewal{f.Version.Credentials, f.Source.SecretRef})
		if err != nil {
			return fmt.Errorf("noting the credentials of %s: %w", f.Version.ID, err)
		}
		notes[annotationCredentials] = string(text)
	}
	moved := seen.tag.now != f.revision.Annotations[annotationTag]
	if moved {
		notes[annotationTag] = seen.tag.now
	}
	if len(notes) == 0 {
		return nil
	}
	revision := f.revision.DeepCopy()
	if revision.Annotations == nil {
		revision.Annotations = map[string]string{}
	}
	maps.Copy(revision.Annotations, notes)
	// An operator that reads an older revision than there is must not tell the same once more.
	if err := m.Client.Patch(ctx, revision, client.MergeFromWithOptions(f.revision, client.MergeFromWithOptimisticLock{}), client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("noting what was found out about %s: %w", f.Version.ID, err)
	}
	if f.renewed {
		m.Log.Info("credentials changed", "model", seen.model.Name, "version", f.Version.Version, "secret", seen.place.Secret)
	}
	if moved && seen.tag.now != "" {
		m.Events.Eventf(seen.model, nil, corev1.EventTypeWarning, suokev1.ReasonTagMoved, "Reconcile", "%s", shorten(seen.tag.sentence(), 1000))
		m.Log.Info("tag moved", "model", seen.model.Name, "version", f.Version.Version, "from", seen.tag.first, "to", seen.tag.now)
	}
	f.revision, f.renewed = revision, false
	seen.known[seen.wanted] = f
	return nil
}
