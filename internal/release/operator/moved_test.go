package operator_test

import (
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// told counts the events about the model with a reason.
func (s *system) told(reason string) int {
	s.t.Helper()
	var list eventsv1.EventList
	if err := s.client.List(s.t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, e := range list.Items {
		if e.Regarding.Name == modelName && e.Reason == reason {
			n++
			if e.Series != nil {
				n += int(e.Series.Count)
			}
		}
	}
	return n
}

func TestATagThatMovesIsToldAndNotDeployed(t *testing.T) {
	a, from := withArtifacts(t)
	first := a.push("models/digits:v1", "one")
	s := newSystem(t, from, func(s *system) { s.tagInterval = 500 * time.Millisecond })
	s.set(func(k *cluster) { k.evaluated["v1"] = passes })
	s.model(a.at)
	s.untilModel("v1 to serve", serving("v1"))
	before := s.deployment("v1")

	second := a.push("models/digits:v1", "two")
	moved := func(to string) suokev1.AIModelStatus {
		t.Helper()
		sentence := "; the tag v1 was moved: it named " + first + " when v1 was first seen and names " + to + " now; v1 stays the former; to release the latter write another version"
		return s.untilModel(sentence, func(status suokev1.AIModelStatus) bool {
			return strings.Contains(status.Message, sentence) && serving("v1")(status)
		})
	}
	if status := moved(second); status.Artifact.Digest != first || !strings.HasPrefix(status.Message, "v1 ") {
		t.Errorf("it says %s and the artifact is %+v", status.Message, status.Artifact)
	}
	s.untilEvent(modelName, suokev1.ReasonTagMoved)

	a.silent.Store(true) // says nothing, and what was said stands, also of an operator that begins
	s.stop()
	s.start()
	asked := a.asked.Load()
	s.until("the registry to be asked", func() (bool, string) { return a.asked.Load() > asked, "" })
	time.Sleep(time.Second)
	moved(second)
	a.silent.Store(false) // this one leaves it alone for a while
	s.stop()
	s.start()
	asked = a.asked.Load()
	s.until("the registry to be asked", func() (bool, string) { return a.asked.Load() > asked, "" })
	time.Sleep(time.Second)
	if n := s.told(suokev1.ReasonTagMoved); n != 1 {
		t.Errorf("told %d times", n)
	}

	moved(a.push("models/digits:v1", "three"))
	s.until("the second movement to be told", func() (bool, string) { return s.told(suokev1.ReasonTagMoved) == 2, "" })
	a.push("models/digits:v1", "one")
	s.untilModel("the sentence to go", func(status suokev1.AIModelStatus) bool { return !strings.Contains(status.Message, "moved") })
	if n := s.told(suokev1.ReasonTagMoved); n != 2 {
		t.Errorf("told %d times of two movements and a return", n)
	}
	if after := s.deployment("v1"); after.UID != before.UID || after.Generation != before.Generation || len(s.revisions()) != 1 {
		t.Errorf("something was deployed: %d revisions, Deployment %s", len(s.revisions()), text(after))
	}
}

// A tag may be moved to put right what was refused: then it is told beside the refusal, and a digest releases it.
func TestATagThatMovesAfterARefusalIsReleasedByItsDigest(t *testing.T) {
	a, from := withArtifacts(t)
	a.push("models/digits:v1", "one")
	a.push("models/digits:v2", "bad")
	s := newSystem(t, from, func(s *system) { s.tagInterval = 500 * time.Millisecond })
	s.set(func(k *cluster) { k.evaluated["v1"], k.evaluated["v2"] = passes, badDataset })
	s.model(a.at)
	s.untilModel("v1 to serve", serving("v1"))
	s.want("v2")
	s.untilModel("the refusal", condition(suokev1.ConditionDegraded, "True", suokev1.ReasonEvaluationError))
	better := a.push("models/digits:v2", "better")
	s.untilModel("the refusal and the movement", func(status suokev1.AIModelStatus) bool {
		return strings.Contains(status.Message, "v2 was refused") && strings.Contains(status.Message, "names "+better+" now")
	})
	s.set(func(k *cluster) { k.evaluated["v2"] = passes })
	s.edit(func(m *suokev1.AIModel) { m.Spec.Repository.Digest = better })
	status := s.untilModel("v2 to serve", serving("v2"))
	if status.Artifact.Digest != better || strings.Contains(status.Message, "moved") {
		t.Errorf("%s, and the artifact is %+v", status.Message, status.Artifact)
	}
}
