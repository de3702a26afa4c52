package operator

import (
	"cmp"
	"fmt"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
)

// annotationTag of a ControllerRevision is the digest that the tag of its version names now, if it is another one than when
// the version was frozen.
const annotationTag = "suoke.life/tag-names"

// movedTag is a tag that names another artifact than when its version was frozen; the zero value is none.
type movedTag struct {
	tag, version string
	// first is the digest that it named then, now the one that it names now.
	first, now string
}

// sentence says it, and what to do; empty if the tag has not moved.
func (t movedTag) sentence() string {
	if t.now == "" {
		return ""
	}
	return fmt.Sprintf("the tag %s was moved: it named %s when %s was first seen and names %s now; %s stays the former; to release the latter write another version, or it as repository.digest",
		t.tag, t.first, t.version, t.now, t.version)
}

// observeTag says what is known of the tag that a model's wanted version was resolved from, and has it asked for now and then:
// each model at its own time of the interval, so that an operator that begins does not ask for all at once. A registry that
// does not answer says nothing, and where a digest is written there is no tag to look at. Nothing follows from it but what
// people are told.
func (o *Operator) observeTag(model *suokev1.AIModel, f frozen, place credentials.Place) movedTag {
	about := tagOf(model.Name)
	reference, err := referenceOf(model)
	if o.TagInterval <= 0 || err != nil || reference.Tag == "" || reference.Digest != "" {
		o.inquiries.forget(about)
		return movedTag{}
	}
	asked := inquiry{reference: reference, place: place, again: o.TagInterval, retry: o.TagInterval, digestOnly: true}
	asked.answer.digest = cmp.Or(f.revision.Annotations[annotationTag], f.Version.Digest) // as it was found before
	now := o.inquiries.follow(about, asked, spread(model.Name, o.TagInterval)).digest
	if now == f.Version.Digest {
		now = ""
	}
	return movedTag{tag: reference.Tag, version: f.Version.Version, first: f.Version.Digest, now: now}
}

// tagOf and credentialsOf are what is asked about a model.
func tagOf(model string) topic         { return topic{model, "tag"} }
func credentialsOf(model string) topic { return topic{model, "credentials"} }
