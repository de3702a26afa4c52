package store

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/suoke-life/suoke/internal/model/ref"
)

// Media types of the ModelPack specification (CNCF, github.com/modelpack/model-spec, v1).
const (
	artifactType    = "application/vnd.cncf.model.manifest.v1+json"
	configMediaType = "application/vnd.cncf.model.config.v1+json"
	weightRaw       = "application/vnd.cncf.model.weight.v1.raw"
	weightConfigRaw = "application/vnd.cncf.model.weight.config.v1.raw"
	datasetRaw      = "application/vnd.cncf.model.dataset.v1.raw"
	// filepathAnnotation names a layer's file.
	filepathAnnotation = "org.cncf.model.filepath"
)

// config is ModelPack's description of an artifact, as far as it can be told from the files. It has no time in it, so
// that the same files give the same digest.
type config struct {
	Descriptor descriptor `json:"descriptor"`
	ModelFS    modelFS    `json:"modelfs"`
	Config     format     `json:"config"`
}

type descriptor struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

type modelFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diffIds"`
}

type format struct {
	Format string `json:"format,omitempty"`
}

// packed is an artifact before it is pushed.
type packed struct {
	kind     Kind
	files    []file
	config   []byte
	manifest []byte
	digest   string
}

// pack describes files as an artifact under a name.
func pack(files []file, to ref.Reference) (packed, error) {
	p := packed{kind: kindOf(files), files: files}
	c := config{
		Descriptor: descriptor{Name: lastPart(to.Repository), Version: to.Tag},
		ModelFS:    modelFS{Type: "layers"},
	}
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactType,
	}
	for _, f := range files {
		c.ModelFS.DiffIDs = append(c.ModelFS.DiffIDs, f.digest)
		if isWeights(f.path) && c.Config.Format == "" {
			c.Config.Format = strings.TrimPrefix(filepath.Ext(f.path), ".")
		}
		manifest.Layers = append(manifest.Layers, ocispec.Descriptor{
			MediaType: mediaType(p.kind, f.path), Digest: digest.Digest(f.digest), Size: f.size,
			Annotations: map[string]string{filepathAnnotation: f.path},
		})
	}
	var err error
	if p.config, err = json.Marshal(c); err != nil {
		return packed{}, fmt.Errorf("describing the artifact: %w", err)
	}
	manifest.Config = ocispec.Descriptor{
		MediaType: configMediaType, Digest: digest.FromBytes(p.config), Size: int64(len(p.config)),
	}
	if p.manifest, err = json.Marshal(manifest); err != nil {
		return packed{}, fmt.Errorf("describing the artifact: %w", err)
	}
	p.digest = digest.FromBytes(p.manifest).String()
	return p, nil
}

func (p packed) size() int64 {
	var total int64
	for _, f := range p.files {
		total += f.size
	}
	return total
}

// parse reads a manifest and refuses what is no artifact of ours, or one whose files would leave the directory.
func parse(text []byte) (ocispec.Manifest, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%w: its manifest is no JSON: %w", ErrInvalid, err)
	}
	if m.ArtifactType != artifactType && m.Config.MediaType != configMediaType {
		return m, fmt.Errorf("%w: it is %q and no model or data set; push one with `suoke model push`",
			ErrInvalid, firstOf(m.ArtifactType, m.Config.MediaType, m.MediaType, "of no type"))
	}
	if len(m.Layers) == 0 || len(m.Layers) > maxFiles {
		return m, fmt.Errorf("%w: it has %d files; there may be 1 to %d", ErrInvalid, len(m.Layers), maxFiles)
	}
	var total int64
	seen := map[string]bool{}
	for _, layer := range m.Layers {
		path := layer.Annotations[filepathAnnotation]
		if err := checkPath(path); err != nil {
			return m, err
		}
		if seen[path] {
			return m, fmt.Errorf("%w: it has %s twice", ErrInvalid, path)
		}
		seen[path] = true
		if !ref.ValidDigest(layer.Digest.String()) {
			return m, fmt.Errorf("%w: %s has the digest %q; only sha256 is read", ErrInvalid, path, layer.Digest)
		}
		if layer.Size < 0 || layer.Size > maxBytes-total {
			return m, fmt.Errorf("%w: its files are larger than %d bytes", ErrInvalid, int64(maxBytes))
		}
		total += layer.Size
	}
	return m, nil
}

// checkPath allows only clean relative paths that stay below the directory.
func checkPath(path string) error {
	local := filepath.FromSlash(path)
	if path == "" || strings.ContainsRune(path, '\\') || !filepath.IsLocal(local) || filepath.Clean(local) != local || local == "." {
		return fmt.Errorf("%w: a file is named %q, which does not stay in the directory", ErrInvalid, path)
	}
	if top, _, _ := strings.Cut(path, "/"); top == partialName {
		return fmt.Errorf("%w: a file is named %q, which is reserved", ErrInvalid, path)
	}
	return nil
}

// kindIn is a data set if every file is one's.
func kindIn(m ocispec.Manifest) Kind {
	for _, layer := range m.Layers {
		if layer.MediaType != datasetRaw {
			return Model
		}
	}
	return Dataset
}

func sizeIn(m ocispec.Manifest) int64 {
	var total int64
	for _, layer := range m.Layers {
		total += layer.Size
	}
	return total
}

func mediaType(kind Kind, path string) string {
	switch {
	case kind == Dataset:
		return datasetRaw
	case isWeights(path):
		return weightRaw
	}
	return weightConfigRaw
}

// isWeights tells a model's own files, by the suffixes that frameworks give them, from what describes it.
func isWeights(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".onnx", ".onnx_data", ".data", ".safetensors", ".gguf", ".bin", ".pt", ".pth", ".pb", ".h5", ".keras", ".tflite", ".ckpt", ".npz":
		return true
	}
	return false
}

func isTable(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv", ".jsonl":
		return true
	}
	return false
}

func kindOf(files []file) Kind {
	for _, f := range files {
		if isWeights(f.path) {
			return Model
		}
	}
	return Dataset
}

func lastPart(repository string) string {
	return repository[strings.LastIndexByte(repository, '/')+1:]
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
