package ref

import (
	"fmt"
	"strings"
)

// Kind is a kind of source that models come from.
type Kind string

// The kinds of sources that are recognised; which of them can be read is the importers' business.
const (
	KindOCI         Kind = "oci"
	KindHuggingFace Kind = "hf"
	KindGit         Kind = "git"
	KindHTTPS       Kind = "https"
	KindS3          Kind = "s3"
	KindMLflow      Kind = "mlflow"
)

// Source is where a version comes from, as an AIModel's repository says it.
type Source struct {
	URL string
	// Branch and Commit are of a git source, or a revision at Hugging Face.
	Branch, Commit string
}

// Kind recognises the source: by scheme, Hugging Face by host too, and git by a branch or commit, since its URLs look
// like any other.
func (s Source) Kind() (Kind, error) {
	scheme, rest, found := strings.Cut(s.URL, "://")
	if !found || rest == "" {
		return "", fmt.Errorf("%q: write a URL with a scheme, such as oci://model-registry:5000/models/xiaoai-digits", s.URL)
	}
	host, path, _ := strings.Cut(rest, "/")
	switch scheme {
	case "oci":
		return KindOCI, nil
	case "hf":
		return KindHuggingFace, nil
	case "s3":
		return KindS3, nil
	case "mlflow", "mlflow+http", "mlflow+https":
		return KindMLflow, nil
	case "git", "ssh", "git+https", "git+ssh", "git+http":
		return KindGit, nil
	case "https":
		if IsHuggingFace(host) {
			return KindHuggingFace, nil
		}
		if s.Branch != "" || s.Commit != "" || strings.HasSuffix(path, ".git") {
			return KindGit, nil
		}
		return KindHTTPS, nil
	}
	return "", fmt.Errorf("%q: %s:// is no kind of source; write oci://, https://, hf://, s3://, git+https:// or mlflow://", s.URL, scheme)
}

// IsHuggingFace says whether a host is Hugging Face's.
func IsHuggingFace(host string) bool {
	host, _, _ = strings.Cut(strings.ToLower(host), ":")
	return host == "huggingface.co" || host == "www.huggingface.co" || host == "hf.co"
}
