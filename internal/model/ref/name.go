package ref

import (
	"crypto/sha256" //nolint:depguard // a hash is arithmetic: it knows no clock, no network and no file
	"fmt"
	"strings"
)

const (
	// maxID leaves room, within the 63 characters of a DNS label, for what is appended to an ID: -evaluate-2, Pod hashes.
	maxID = 52
	// slugRoom is what a long version keeps of itself beside a long model name.
	slugRoom  = 16
	maxLabel  = 63
	hashChars = 6
	// hashAlphabet has 32 characters, 5 bits each; without i, l, o and u nothing is misread.
	hashAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"
)

// VersionID names the objects of a version: <model>-<slug>-<hash6>, a DNS label that begins with a letter, of at most 52
// characters. The hash covers model, version and fingerprint whole, so what shortening and lower case lose, it keeps.
func VersionID(model, version, fingerprint string) string {
	name, slug := slugOf(model), slugOf(version)
	if name == "" || isDigit(name[0]) {
		name = strings.TrimSuffix("m-"+name, "-")
	}
	if slug == "" {
		slug = "v"
	}
	room := maxID - hashChars - 2
	slug = cut(slug, max(slugRoom, room-len(name)))
	name = cut(name, room-len(slug))
	return name + "-" + slug + "-" + hash(model, version, fingerprint)
}

// LabelValue is a text as a label's value: itself where it can be one, else shortened and made unique by a hash.
func LabelValue(text string) string {
	if validLabel(text) {
		return text
	}
	kept := strings.Map(func(c rune) rune {
		if isLabelCharacter(c) {
			return c
		}
		return '-'
	}, text)
	kept = strings.Trim(kept, "-_.")
	kept = strings.TrimRight(kept[:min(len(kept), maxLabel-hashChars-1)], "-_.")
	if kept == "" {
		return hash(text)
	}
	return kept + "-" + hash(text)
}

func validLabel(text string) bool {
	return text == "" || len(text) <= maxLabel && isAlphanumeric(text[0]) && isAlphanumeric(text[len(text)-1]) && all(text, isLabelCharacter)
}

func isLabelCharacter[C character](c C) bool {
	return isAlphanumeric(c) || c == '-' || c == '_' || c == '.'
}

// slugOf keeps letters and digits in lower case, with single dashes in place of everything else.
func slugOf(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return !isLower(c) })
	return strings.Join(words, "-")
}

func cut(slug string, length int) string {
	return strings.TrimRight(slug[:min(len(slug), length)], "-")
}

// hash is 30 bits of the SHA-256 of the quoted parts; quoting keeps ("a", "bc") apart from ("ab", "c").
func hash(parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	out := make([]byte, hashChars)
	for i := range out {
		out[i] = hashAlphabet[sum[i]%byte(len(hashAlphabet))]
	}
	return string(out)
}
