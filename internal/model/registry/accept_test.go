package registry

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// central is a registry that can be honoured.
func central() *suokev1.ModelRegistry {
	return &suokev1.ModelRegistry{
		ObjectMeta: metav1.ObjectMeta{Name: "suoke-model-registry", Namespace: "suoke-life"},
		Spec: suokev1.ModelRegistrySpec{
			Name: "suoke-central-registry", Endpoint: "https://models.suoke.life/registry",
			Authentication: suokev1.Authentication{Type: suokev1.AuthenticationToken, SecretRef: &suokev1.SecretRef{Name: "registry-token"}},
			Storage:        suokev1.Storage{Type: suokev1.StorageLocal},
		},
	}
}

func TestEveryFieldIsHonouredOrRefusedWithWhatToWrite(t *testing.T) {
	type spec = suokev1.ModelRegistrySpec
	for name, c := range map[string]struct {
		change   func(*spec)
		reason   string
		sentence string
	}{
		"the user's, on a volume":      {func(*spec) {}, "", ""},
		"inside the cluster":           {func(s *spec) { s.Endpoint = "http://model-registry.suoke-life.svc:5000" }, "", ""},
		"inside another namespace":     {func(s *spec) { s.Endpoint = "http://model-registry.team-a.svc.cluster.local:5000" }, "", ""},
		"plain HTTP elsewhere":         {func(s *spec) { s.Endpoint = "http://models.suoke.life/registry" }, suokev1.ReasonInvalid, "write https://models.suoke.life/registry, and let it speak TLS"},
		"plain HTTP under our name":    {func(s *spec) { s.Endpoint = "http://model-registry.example.com:5000" }, suokev1.ReasonInvalid, "plain HTTP is spoken only with model-registry inside the cluster"},
		"plain HTTP, asking for none":  {func(s *spec) { s.Endpoint, s.Authentication = "http://10.0.0.1:5000", suokev1.Authentication{} }, suokev1.ReasonInvalid, "plain HTTP is spoken only with"},
		"a slash at the end":           {func(s *spec) { s.Endpoint = "https://models.suoke.life/registry/" }, "", ""},
		"without authentication":       {func(s *spec) { s.Authentication = suokev1.Authentication{} }, "", ""},
		"on nfs":                       {func(s *spec) { s.Storage.Type = suokev1.StorageNFS }, "", ""},
		"a Secret with its namespace":  {func(s *spec) { s.Authentication.SecretRef.Namespace = "suoke-life" }, "", ""},
		"Hugging Face":                 {func(s *spec) { s.Endpoint = "https://huggingface.co" }, suokev1.ReasonSourceNotSupported, "supported: OCI registries"},
		"Hugging Face and s3":          {func(s *spec) { s.Endpoint, s.Storage.Type = "https://huggingface.co/api", suokev1.StorageS3 }, suokev1.ReasonSourceNotSupported, "supported: OCI registries"},
		"s3":                           {func(s *spec) { s.Storage.Type = suokev1.StorageS3 }, suokev1.ReasonInvalid, "storage.type: s3 is not supported yet; write local or nfs"},
		"gcs":                          {func(s *spec) { s.Storage.Type = suokev1.StorageGCS }, suokev1.ReasonInvalid, "storage.type: gcs is not supported yet; write local or nfs"},
		"azure":                        {func(s *spec) { s.Storage.Type = suokev1.StorageAzure }, suokev1.ReasonInvalid, "storage.type: azure is not supported yet; write local or nfs"},
		"a storage there is not":       {func(s *spec) { s.Storage.Type = "floppy" }, suokev1.ReasonInvalid, "write local or nfs"},
		"settings of a volume":         {func(s *spec) { s.Storage.Config = map[string]string{"path": "/x"} }, suokev1.ReasonInvalid, "leave config out"},
		"oauth2":                       {func(s *spec) { s.Authentication.Type = suokev1.AuthenticationOAuth2 }, suokev1.ReasonInvalid, "oauth2 is not supported yet; write basic, token or none"},
		"an authentication of no kind": {func(s *spec) { s.Authentication.Type = "kerberos" }, suokev1.ReasonInvalid, "write basic, token or none"},
		"a token without its Secret":   {func(s *spec) { s.Authentication.SecretRef = nil }, suokev1.ReasonInvalid, "write secretRef with the Secret's name"},
		"somebody else's Secret":       {func(s *spec) { s.Authentication.SecretRef.Namespace = "kube-system" }, suokev1.ReasonInvalid, "put it into suoke-life and leave the field out"},
		"no URL":                       {func(s *spec) { s.Endpoint = "models.suoke.life" }, suokev1.ReasonInvalid, "write a URL such as"},
		"a URL of another scheme":      {func(s *spec) { s.Endpoint = "ftp://models.suoke.life" }, suokev1.ReasonInvalid, "write a URL such as"},
		"a password in the URL":        {func(s *spec) { s.Endpoint = "https://me:secret@models.suoke.life" }, suokev1.ReasonInvalid, "put them into a Secret"},
		"a query":                      {func(s *spec) { s.Endpoint = "https://models.suoke.life/?a=b" }, suokev1.ReasonInvalid, "write scheme, host and path only"},
		"a path that is no repository": {func(s *spec) { s.Endpoint = "https://models.suoke.life/Registry" }, suokev1.ReasonInvalid, "its path is the prefix of the repositories"},
	} {
		t.Run(name, func(t *testing.T) {
			object := central()
			c.change(&object.Spec)
			got := accept(object)
			if got == nil {
				got = &problem{}
			}
			if got.reason != c.reason || !strings.Contains(got.message, c.sentence) {
				t.Errorf("%s: %q\nwant %s: %q", got.reason, got.message, c.reason, c.sentence)
			}
			if strings.Contains(got.message, "secret@") || strings.Contains(got.message, "me:") {
				t.Errorf("it says the password: %q", got.message)
			}
		})
	}
}

func TestARegistryIsAskedForTheModelsThatNameIt(t *testing.T) {
	object := central()
	model := func(name, registryRef, url string) suokev1.AIModel {
		return suokev1.AIModel{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       suokev1.AIModelSpec{Version: "v1", RegistryRef: registryRef, Repository: suokev1.Repository{URL: url}},
		}
	}
	going := model("going", object.Name, "oci://models.suoke.life/registry/models/a")
	going.DeletionTimestamp = new(metav1.Unix(1, 0))
	all := []suokev1.AIModel{
		model("by name", object.Name, "https://huggingface.co/a/b"),
		model("by name of another", "another", "oci://models.suoke.life/registry/models/a"),
		model("by host and prefix", "", "oci://models.suoke.life/registry/models/a"),
		model("by host in capitals", "", "oci://Models.Suoke.Life/registry/models/a"),
		model("beside the prefix", "", "oci://models.suoke.life/registry-2/models/a"),
		model("at another host", "", "oci://model-registry:5000/registry/models/a"),
		model("at no host", "", "nonsense"),
		going,
	}
	var got []string
	for _, m := range named(object, all) {
		got = append(got, m.Name)
	}
	if diff := cmp.Diff([]string{"by name", "by host and prefix", "by host in capitals"}, got); diff != "" {
		t.Error(diff)
	}
	before := fingerprint(all)
	all[0].Spec.Version = "v2"
	if fingerprint(all) == before {
		t.Error("another version is asked for, and nothing says so")
	}
}

func TestErrorsStayWithinTheSchema(t *testing.T) {
	var o outcome
	for i := range 25 {
		o.unresolved = append(o.unresolved, fmt.Sprintf("%d %s", i, strings.Repeat("é", 900)))
	}
	all := sentences(o)
	if len(all) != maxErrors || all[maxErrors-1] != "and 6 more" || !strings.HasPrefix(all[18], "18 ") {
		t.Errorf("%d sentences, the last are %.20q and %.20q", len(all), all[len(all)-2], all[len(all)-1])
	}
	for _, text := range all {
		if len(text) > maxSentence || strings.ToValidUTF8(text, "") != text {
			t.Errorf("%d bytes: %.20q", len(text), text)
		}
	}
	o.unresolved = o.unresolved[:maxErrors]
	if all := sentences(o); len(all) != maxErrors || !strings.HasPrefix(all[19], "19 ") {
		t.Errorf("of %d, %d are told", maxErrors, len(all))
	}
}
