package ref_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/model/ref"
)

var (
	dnsLabel   = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	labelValue = regexp.MustCompile(`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`)
)

func TestVersionIDsCanBeReadByPeople(t *testing.T) {
	for name, c := range map[string]struct{ model, version, want string }{
		"short":                   {"xiaoai-llm-model", "v2.1.0", "xiaoai-llm-model-v2-1-0-"},
		"in capitals":             {"m", "V2_RC.1", "m-v2-rc-1-"},
		"a name with dots":        {"a.b", "1", "a-b-1-"},
		"a name that is a number": {"7b", "v1", "m-7b-v1-"},
		"a version of marks":      {"a", "___", "a-v-"},
		"a long name":             {strings.Repeat("n", 200), "v2.1.0", strings.Repeat("n", 38) + "-v2-1-0-"},
		"a long name and version": {strings.Repeat("n", 60), strings.Repeat("9", 60), strings.Repeat("n", 28) + "-" + strings.Repeat("9", 16) + "-"},
		"a long version":          {"digits", strings.Repeat("9", 60), "digits-" + strings.Repeat("9", 38) + "-"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ref.VersionID(c.model, c.version, "fingerprint")
			if got[:len(got)-6] != c.want {
				t.Errorf("%s, want %s and a hash", got, c.want)
			}
		})
	}
}

func TestVersionIDsAreLabelsThatDiffer(t *testing.T) {
	seen := map[string][3]string{}
	rapid.Check(t, func(t *rapid.T) {
		parts := [3]string{
			rapid.OneOf(rapid.StringMatching(`[a-z0-9][a-z0-9.-]{0,80}`), rapid.String()).Draw(t, "model"),
			rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9_][A-Za-z0-9._-]{0,100}`), rapid.String()).Draw(t, "version"),
			rapid.StringMatching(`[a-f0-9]{0,8}`).Draw(t, "fingerprint"),
		}
		id := ref.VersionID(parts[0], parts[1], parts[2])
		if !dnsLabel.MatchString(id) || len(id) > 52 {
			t.Fatalf("%q of %q is no name for a Service", id, parts)
		}
		if again := ref.VersionID(parts[0], parts[1], parts[2]); again != id {
			t.Fatalf("%q names %q once and %q then", parts, id, again)
		}
		if other, taken := seen[id]; taken && other != parts {
			t.Fatalf("%q names %q and %q", id, parts, other)
		}
		seen[id] = parts
	})
}

// What only shortening, letter case or a moved boundary tells apart must still differ.
func TestVersionIDsKeepWhatShorteningLoses(t *testing.T) {
	long := strings.Repeat("n", 60)
	ids := map[string]bool{}
	all := [][3]string{
		{long + "a", "v1", ""},
		{long + "b", "v1", ""},
		{"m", "v1.0", ""},
		{"m", "v1-0", ""},
		{"m", "V1.0", ""},
		{"m", "v1_0", ""},
		{"m-v1", "0", ""},
		{"m", "v1-0", "x"},
		{"m", "v1-0x", ""},
		{"7b", "1", ""},
		{"m-7b", "1", ""},
	}
	for _, parts := range all {
		ids[ref.VersionID(parts[0], parts[1], parts[2])] = true
	}
	if len(ids) != len(all) {
		t.Errorf("%d names for %d versions: %v", len(ids), len(all), ids)
	}
}

func TestLabelValuesAreThemselvesWhereTheyCan(t *testing.T) {
	for _, text := range []string{"", "xiaoai-llm-model", "a.b_C", strings.Repeat("x", 63)} {
		if got := ref.LabelValue(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`x{60,70}[a-z]{0,3}`), rapid.StringMatching(`[a-z.]{60,253}`)).Draw(t, "text")
		value := ref.LabelValue(text)
		if len(value) > 63 || !labelValue.MatchString(value) {
			t.Fatalf("%q of %q is no label value", value, text)
		}
		if other, taken := seen[value]; taken && other != text {
			t.Fatalf("%q stands for %q and %q", value, text, other)
		}
		seen[value] = text
	})
}
