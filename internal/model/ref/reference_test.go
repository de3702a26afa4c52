package ref_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/model/ref"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestReferencesAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want ref.Reference
	}{
		"a URL with a tag":             {"oci://model-registry:5000/models/digits:v2.1.0", ref.Reference{Host: "model-registry:5000", Repository: "models/digits", Tag: "v2.1.0"}},
		"a URL without a tag":          {"oci://registry.example.org/digits", ref.Reference{Host: "registry.example.org", Repository: "digits"}},
		"a digest":                     {"oci://r:1/a@" + digest, ref.Reference{Host: "r:1", Repository: "a", Digest: digest}},
		"a tag and a digest":           {"r:1/a/b:v1@" + digest, ref.Reference{Host: "r:1", Repository: "a/b", Tag: "v1", Digest: digest}},
		"no scheme, a host with a dot": {"models.suoke.life/registry/x:1", ref.Reference{Host: "models.suoke.life", Repository: "registry/x", Tag: "1"}},
		"no host":                      {"models/digits:v1", ref.Reference{Host: "127.0.0.1:5000", Repository: "models/digits", Tag: "v1"}},
		"one word and a tag":           {"digits:v1", ref.Reference{Host: "127.0.0.1:5000", Repository: "digits", Tag: "v1"}},
		"IPv6":                         {"oci://[::1]:5000/a:v1", ref.Reference{Host: "[::1]:5000", Repository: "a", Tag: "v1"}},
		"separators within a name":     {"r:1/a__b/c---d/e.f_g:v1", ref.Reference{Host: "r:1", Repository: "a__b/c---d/e.f_g", Tag: "v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ref.Parse(c.text, "127.0.0.1:5000")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWrongReferencesSayWhatToWrite(t *testing.T) {
	for name, c := range map[string]struct{ text, sentence string }{
		"nothing":                   {"", "is no repository; write lower-case letters"},
		"only a host":               {"oci://registry.example.org", "is no repository"},
		"another scheme":            {"https://example.org/a", "write oci://HOST/REPOSITORY:TAG"},
		"capitals":                  {"models/Digits:v1", "write lower-case letters"},
		"a way out":                 {"models/../etc:v1", "is no repository"},
		"an empty tag":              {"models/digits:", "ends where a tag or digest should be"},
		"a tag with a slash":        {"oci://h/a:v1/b", "is no tag"},
		"a short digest":            {"models/digits@sha256:abc", "write sha256: and 64 lower-case hex digits"},
		"another kind of digest":    {"models/digits@md5:abc", "is no digest"},
		"a port in words":           {"oci://host:http/a", "is no host"},
		"mixed separators":          {"a._b:v1", "is no repository"},
		"a name with a login in it": {"oci://user:secret@host/a", "is no"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ref.Parse(c.text, "127.0.0.1:5000")
			if err == nil {
				t.Fatalf("read as %+v; want an error that says %q", got, c.sentence)
			}
			if !strings.Contains(err.Error(), c.sentence) {
				t.Errorf("%v\nwant it to say %q", err, c.sentence)
			}
		})
	}
	if _, err := ref.Parse("models/digits", ""); err == nil || !strings.Contains(err.Error(), "names no registry") {
		t.Errorf("without any registry: %v", err)
	}
}

func TestAModelsTagIsItsVersion(t *testing.T) {
	other := strings.Replace(digest, "0", "f", 1)
	for name, c := range map[string]struct {
		url, digest string
		want        string
		sentence    string
	}{
		"without a tag":                    {url: "oci://r:1/a", want: "r:1/a:v2.1.0"},
		"with a tag":                       {url: "oci://r:1/a:stable", want: "r:1/a:stable"},
		"with a digest of its own":         {url: "oci://r:1/a@" + digest, want: "r:1/a@" + digest},
		"with a digest that must be met":   {url: "oci://r:1/a", digest: digest, want: "r:1/a:v2.1.0@" + digest},
		"by its registry alone":            {url: "oci://r:1", want: "r:1/models/digits:v2.1.0"},
		"by its registry and a slash":      {url: "oci://r:1/", digest: digest, want: "r:1/models/digits:v2.1.0@" + digest},
		"with two digests":                 {url: "oci://r:1/a@" + digest, digest: other, sentence: "write the digest once"},
		"from somewhere else":              {url: "https://huggingface.co/a/b", sentence: "write oci://HOST/REPOSITORY"},
		"with something that is no digest": {url: "oci://r:1/a", digest: "abc", sentence: "is no digest"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ref.Model(c.url, "digits", "v2.1.0", c.digest)
			if c.sentence != "" {
				if err == nil || !strings.Contains(err.Error(), c.sentence) {
					t.Fatalf("%v\nwant it to say %q", err, c.sentence)
				}
				return
			}
			if err != nil || got.String() != c.want {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestDataSetsAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ text, want, sentence string }{
		"by a name":                 {text: "xiaoai-digits", want: "r:1/datasets/xiaoai-digits:latest"},
		"by what looks like a path": {text: "/data/tcm/test", want: "r:1/datasets/data/tcm/test:latest"},
		"with a tag":                {text: "digits:v2", want: "r:1/datasets/digits:v2"},
		"with a digest":             {text: "digits@" + digest, want: "r:1/datasets/digits@" + digest},
		"by its repository":         {text: "datasets/digits", want: "r:1/datasets/digits:latest"},
		"in another registry":       {text: "oci://h:2/x", want: "h:2/x:latest"},
		"by a name with a dot":      {text: "health.test/set.csv", want: "r:1/datasets/health.test/set.csv:latest"},
		"by a bucket":               {text: "s3://bucket/set", sentence: "write the data set's name in the registry"},
		"by nothing":                {text: "/", sentence: "write a name such as"},
		"in capitals":               {text: "Digits", sentence: "lower-case"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ref.Dataset(c.text, "r:1")
			if c.sentence != "" {
				if err == nil || !strings.Contains(err.Error(), c.sentence) {
					t.Fatalf("%v\nwant it to say %q", err, c.sentence)
				}
				return
			}
			if err != nil || got.String() != c.want || !got.IsDataset {
				t.Errorf("%+v, %v; want the data set %s", got, err, c.want)
			}
		})
	}
}

func TestPlainHTTPIsForLoopbackAndTheSystemsOwn(t *testing.T) {
	for host, want := range map[string]bool{
		"model-registry": true, "model-registry:5000": true, "model-registry.suoke-life.svc:5000": true,
		"model-registry.suoke-life": true, "model-registry.suoke-life.svc.cluster.local:5000": true,
		"model-registry.team-a.svc": true, "model-registry.team-a.svc.cluster.local": true, "Model-Registry.suoke-life.SVC:5000": true,
		"localhost:5000": true, "127.0.0.1:5000": true, "127.3.2.1": true, "[::1]:5000": true,
		"model-registry-evil.example.org": false, "127.example.org": false, "registry.example.org:5000": false, "10.0.0.1:5000": false,
		"model-registry.example.com": false, "model-registry.com:5000": false, "model-registry.team-a": false,
		"model-registry.svc": false, "model-registry..svc": false, "model-registry.svc.cluster.local": false,
		"model-registry.suoke-life.svc.example.com": false, "model-registry.suoke-life.svc.cluster.local.example.com": false,
		"model-registry.suoke-life.cluster.local": false, "model-registry.a.b.svc": false, "model-registry.cluster.local": false,
		"x.model-registry.suoke-life.svc": false, "localhost.example.com": false, "127.0.0.1.example.com": false, "127.1": false, "127.0.0.999": false,
	} {
		if got := (ref.Reference{Host: host}).PlainHTTP(); got != want {
			t.Errorf("%s: %t, want %t", host, got, want)
		}
	}
}

func TestWhatIsPrintedCanBeReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := ref.Reference{
			Host:       rapid.StringMatching(`[a-z0-9]{1,5}(\.[a-z]{2,5}|:[0-9]{2,4})`).Draw(t, "host"),
			Repository: rapid.StringMatching(`[a-z0-9]{1,6}([._-][a-z0-9]{1,4})?(/[a-z0-9]{1,6}){0,2}`).Draw(t, "repository"),
			Tag:        rapid.StringMatching(`([A-Za-z0-9_][A-Za-z0-9._-]{0,10})?`).Draw(t, "tag"),
		}
		if rapid.Bool().Draw(t, "digest") {
			r.Digest = digest
		}
		for _, text := range []string{r.String(), ref.Scheme + r.String()} {
			got, err := ref.Parse(text, "other:1")
			if err != nil || got != r {
				t.Fatalf("%s was read as %+v, %v", text, got, err)
			}
		}
	})
}

func TestSourcesAreRecognised(t *testing.T) {
	for name, c := range map[string]struct {
		source ref.Source
		want   ref.Kind
	}{
		"an OCI registry":                   {ref.Source{URL: "oci://r/a"}, ref.KindOCI},
		"Hugging Face by host":              {ref.Source{URL: "https://huggingface.co/suoke/xiaoai-llm"}, ref.KindHuggingFace},
		"Hugging Face with a branch":        {ref.Source{URL: "https://huggingface.co/suoke/xiaoai-llm", Branch: "main"}, ref.KindHuggingFace},
		"Hugging Face by scheme":            {ref.Source{URL: "hf://suoke/xiaoai-llm"}, ref.KindHuggingFace},
		"GitHub with a branch":              {ref.Source{URL: "https://github.com/suoke/models", Branch: "main"}, ref.KindGit},
		"GitHub with a commit, not hex":     {ref.Source{URL: "https://github.com/suoke/models", Commit: "release-3"}, ref.KindGit},
		"a path that ends in .git":          {ref.Source{URL: "https://git.example.org/models.git"}, ref.KindGit},
		"git by scheme":                     {ref.Source{URL: "git+https://git.example.org/models"}, ref.KindGit},
		"a file over https":                 {ref.Source{URL: "https://example.org/model.onnx"}, ref.KindHTTPS},
		"a host that begins like another's": {ref.Source{URL: "https://huggingface.co.example.org/x"}, ref.KindHTTPS},
		"a bucket":                          {ref.Source{URL: "s3://models/xiaoai"}, ref.KindS3},
		"MLflow":                            {ref.Source{URL: "mlflow://tracking:5000/models/xiaoai/3"}, ref.KindMLflow},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.source.Kind()
			if err != nil || got != c.want {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
	for _, url := range []string{"", "models/x", "oci://", "gopher://x/y"} {
		if kind, err := (ref.Source{URL: url}).Kind(); err == nil || !strings.Contains(err.Error(), "write") {
			t.Errorf("%q: %q, %v; want an error that says what to write", url, kind, err)
		}
	}
}
