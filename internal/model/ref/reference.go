package ref

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// Scheme begins a reference that names its registry.
	Scheme = "oci://"
	// ModelsPrefix is where the system's registry keeps the models that it is given.
	ModelsPrefix = "models/"
	// DatasetsPrefix is where it keeps the data sets.
	DatasetsPrefix = "datasets/"
	// latest is the tag of a data set for which none is written.
	latest = "latest"
	// inCluster is the name of the Service of the system's own registry, which speaks plain HTTP, and ownNamespace is where
	// it is by its short name.
	inCluster    = "model-registry"
	ownNamespace = "suoke-life"
	// clusterDomain is what may follow the .svc of a Service's name.
	clusterDomain = ".cluster.local"

	maxRepository = 255
	maxTag        = 128
	digestPrefix  = "sha256:"
	digestHex     = 64
)

// Reference names an artifact in a registry: host/repository[:tag][@digest].
type Reference struct {
	// Host is the registry's, with its port if it has one.
	Host string
	// Repository within the registry, such as models/xiaoai-digits.
	Repository string
	// Tag moves; Digest does not. With both, the artifact under the tag must have the digest.
	Tag    string
	Digest string
	// IsDataset says that it was read as a data set's; how it is written does not show it.
	IsDataset bool
}

// Parse reads oci://host/repository[:tag][@digest], or the same without the scheme. Without a host the repository is one
// of the given registry; with neither, the error says to write one.
func Parse(text, registry string) (Reference, error) {
	rest, named := strings.CutPrefix(text, Scheme)
	if scheme, _, foreign := strings.Cut(rest, "://"); foreign {
		return Reference{}, fmt.Errorf("%q begins with %s://; write %sHOST/REPOSITORY:TAG", text, scheme, Scheme)
	}
	host, path, found := strings.Cut(rest, "/")
	if !named && (!found || !looksLikeHost(host)) {
		host, path = registry, rest
	}
	r := Reference{Host: host}
	path, r.Digest, _ = strings.Cut(path, "@")
	r.Repository, r.Tag, _ = strings.Cut(path, ":")
	if strings.HasSuffix(path, ":") || strings.HasSuffix(rest, "@") {
		return Reference{}, fmt.Errorf("%q ends where a tag or digest should be; write HOST/REPOSITORY:TAG", text)
	}
	if err := r.check(); err != nil {
		return Reference{}, fmt.Errorf("%q: %w", text, err)
	}
	return r, nil
}

// Model reads the oci:// URL of a model. Without a repository it is the one of the model's name below models/; without a
// tag the version is the tag; a digest, if given, must be found there.
func Model(url, name, version, digest string) (Reference, error) {
	rest, oci := strings.CutPrefix(url, Scheme)
	if !oci {
		return Reference{}, fmt.Errorf("%q: write %sHOST/REPOSITORY", url, Scheme)
	}
	text := url
	if host := strings.TrimSuffix(rest, "/"); host != "" && !strings.Contains(host, "/") {
		text = Scheme + host + "/" + ModelsPrefix + name
	}
	r, err := Parse(text, "")
	if err != nil {
		return Reference{}, err
	}
	if r.Digest != "" && digest != "" && r.Digest != digest {
		return Reference{}, fmt.Errorf("%q: repository.digest is %s; write the digest once", url, digest)
	}
	if r.Digest == "" {
		r.Digest = digest
	}
	if r.Tag == "" && (r.Digest == "" || r.Digest == digest) {
		r.Tag = version
	}
	if err := r.check(); err != nil {
		return Reference{}, fmt.Errorf("%q: %w", url, err)
	}
	return r, nil
}

// Dataset reads the name of a data set. One without a scheme is a name in the given registry, below datasets/; a '/' at
// its beginning is ignored, and without a tag it is the latest.
func Dataset(text, registry string) (Reference, error) {
	name := text
	if !strings.HasPrefix(text, Scheme) {
		if scheme, _, foreign := strings.Cut(text, "://"); foreign {
			return Reference{}, fmt.Errorf("%q begins with %s://; write the data set's name in the registry, or %sHOST/REPOSITORY", text, scheme, Scheme)
		}
		name = strings.TrimPrefix(strings.TrimLeft(text, "/"), DatasetsPrefix)
		name = Scheme + registry + "/" + DatasetsPrefix + name
	}
	r, err := Parse(name, registry)
	if err != nil {
		return Reference{}, fmt.Errorf("data set %q: write a name such as xiaoai-digits: %w", text, err)
	}
	if r.Tag == "" && r.Digest == "" {
		r.Tag = latest
	}
	r.IsDataset = true
	return r, nil
}

// String is the reference without a scheme: host/repository[:tag][@digest].
func (r Reference) String() string {
	var b strings.Builder
	b.WriteString(r.Host + "/" + r.Repository)
	if r.Tag != "" {
		b.WriteString(":" + r.Tag)
	}
	if r.Digest != "" {
		b.WriteString("@" + r.Digest)
	}
	return b.String()
}

// At is the same repository at a digest, which no tag can move.
func (r Reference) At(digest string) Reference {
	r.Tag, r.Digest = "", digest
	return r
}

// PlainHTTP says whether the registry is one that speaks plain HTTP.
func (r Reference) PlainHTTP() bool { return Inside(r.Host) }

// Inside says whether a host is the system's own registry by a name that only the cluster resolves, or loopback: what is
// said to it in plain text, credentials too, stays where it is. Another that begins like them, such as
// model-registry.example.com, is anybody's.
func Inside(host string) bool {
	host = strings.ToLower(host)
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:colon]
	}
	domain, ours := strings.CutPrefix(host, inCluster+".")
	switch {
	case host == inCluster, host == "localhost", host == "[::1]", isLoopback(host):
		return true
	case !ours:
		return false
	case domain == ownNamespace:
		return true
	}
	// Of another namespace the domain has to say that it is the cluster's: a namespace alone may be named com.
	namespace, isService := strings.CutSuffix(strings.TrimSuffix(domain, clusterDomain), ".svc")
	return isService && namespace != "" && !strings.Contains(namespace, ".")
}

// isLoopback reports whether a host is an address of 127.0.0.0/8; a name such as 127.example.org is not.
func isLoopback(host string) bool {
	parts := strings.Split(host, ".")
	for _, part := range parts {
		if _, err := strconv.ParseUint(part, 10, 8); err != nil {
			return false
		}
	}
	return len(parts) == 4 && parts[0] == "127"
}

// ValidDigest says whether a text is sha256: and 64 lower-case hex digits.
func ValidDigest(text string) bool {
	hex, found := strings.CutPrefix(text, digestPrefix)
	return found && len(hex) == digestHex && all(hex, func(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' })
}

// ValidVersion says whether a text can be a version, which is also a tag.
func ValidVersion(text string) bool {
	return text != "" && len(text) <= maxTag && text[0] != '.' && text[0] != '-' &&
		all(text, func(c byte) bool { return isAlphanumeric(c) || c == '.' || c == '_' || c == '-' })
}

func (r Reference) check() error {
	switch {
	case r.Host == "":
		return errors.New("names no registry; write " + Scheme + "HOST/REPOSITORY:TAG")
	case !validHost(r.Host):
		return fmt.Errorf("%q is no host; write a name or address, with :PORT if it has one", r.Host)
	case !validRepository(r.Repository):
		return fmt.Errorf("%q is no repository; write lower-case letters and digits, with '.', '_', '-' and '/' between them, such as models/xiaoai-digits", r.Repository)
	case r.Tag != "" && !ValidVersion(r.Tag):
		return fmt.Errorf("%q is no tag; write letters, digits, '.', '_' and '-', such as v2.1.0", r.Tag)
	case r.Digest != "" && !ValidDigest(r.Digest):
		return fmt.Errorf("%q is no digest; write sha256: and 64 lower-case hex digits", r.Digest)
	}
	return nil
}

// looksLikeHost tells the first part of host/repository from that of repository/repository.
func looksLikeHost(part string) bool {
	return part == "localhost" || strings.ContainsAny(part, ".:")
}

func validHost(host string) bool {
	name := host
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && !strings.HasSuffix(host, "]") {
		port := host[colon+1:]
		name = host[:colon]
		if port == "" || len(port) > 5 || !all(port, isDigit) {
			return false
		}
	}
	if inner, bracketed := strings.CutPrefix(name, "["); bracketed {
		inner, closed := strings.CutSuffix(inner, "]")
		return closed && inner != "" && strings.Trim(inner, "0123456789abcdefABCDEF:") == ""
	}
	return name != "" && len(name) <= 253 && isAlphanumeric(name[0]) && isAlphanumeric(name[len(name)-1]) &&
		all(name, func(c byte) bool { return isAlphanumeric(c) || c == '.' || c == '-' })
}

// validRepository follows the OCI distribution specification: components of [a-z0-9]+, joined by '.', '_', '__' or any
// number of '-'.
func validRepository(path string) bool {
	if path == "" || len(path) > maxRepository {
		return false
	}
	for part := range strings.SplitSeq(path, "/") {
		if !validComponent(part) {
			return false
		}
	}
	return true
}

func validComponent(part string) bool {
	if part == "" || !isLower(part[0]) || !isLower(part[len(part)-1]) {
		return false
	}
	separator := ""
	for i := range len(part) {
		if !isLower(part[i]) {
			separator += part[i : i+1]
			continue
		}
		if separator != "." && separator != "_" && separator != "__" && strings.Trim(separator, "-") != "" {
			return false
		}
		separator = ""
	}
	return true
}

func all(text string, allowed func(byte) bool) bool {
	for i := range len(text) {
		if !allowed(text[i]) {
			return false
		}
	}
	return true
}

// character is a byte of a text or a rune of it; a rune beyond ASCII is none of the characters below.
type character interface{ byte | rune }

func isDigit[C character](c C) bool        { return c >= '0' && c <= '9' }
func isLower[C character](c C) bool        { return c >= 'a' && c <= 'z' || isDigit(c) }
func isAlphanumeric[C character](c C) bool { return isLower(c) || c >= 'A' && c <= 'Z' }
