package cluster

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// valid is a description with nothing wrong, but for what is changed.
func valid(change func(*Config)) Config {
	c := Config{
		Name: "local", Dir: ".local/cluster", BuildDir: "build/cluster", Network: 1, APIPort: 6443,
		Publish: []Publication{{Port: 3000, Namespace: "n", Service: "s", ServicePort: 80}},
	}
	change(&c)
	return c
}

func TestValidateTellsWhatToWrite(t *testing.T) {
	for what, test := range map[string]struct {
		change func(*Config)
		want   string // in the sentence; nothing is wrong if it is empty
	}{
		"as it should be":                   {change: func(*Config) {}},
		"the longest name":                  {change: func(c *Config) { c.Name = "abcdefgh9" }},
		"the highest network":               {change: func(c *Config) { c.Network = 99 }},
		"nothing published":                 {change: func(c *Config) { c.Publish = nil }},
		"no name":                           {change: func(c *Config) { c.Name = "" }, want: `--name "": write 1 to 9`},
		"a name too long for a link":        {change: func(c *Config) { c.Name = "abcdefghij" }, want: "--name"},
		"a name that leads out of a cgroup": {change: func(c *Config) { c.Name = "../etc" }, want: "--name"},
		"a name in capitals":                {change: func(c *Config) { c.Name = "Local" }, want: "lower-case"},
		"a name that begins with a digit":   {change: func(c *Config) { c.Name = "1st" }, want: "a letter first"},
		"a name of two lines":               {change: func(c *Config) { c.Name = "a\n" }, want: "--name"},
		"a network below 0":                 {change: func(c *Config) { c.Network = -1 }, want: "--network -1: write a number from 0 to 99"},
		"a network above the highest":       {change: func(c *Config) { c.Network = 100 }, want: "--network 100"},
		"no port":                           {change: func(c *Config) { c.APIPort = 0 }, want: "port 0: write a number from 1 to 65535"},
		"a port above the highest":          {change: func(c *Config) { c.APIPort = 65536 }, want: "port 65536"},
		"a port of the API server's": {
			change: func(c *Config) { c.APIPort = 3000 }, want: "port 3000 is published twice: give each its own by --api-port and --publish",
		},
		"a port of two Services": {
			change: func(c *Config) { c.Publish = append(c.Publish, c.Publish[0]) }, want: "port 3000 is published twice",
		},
	} {
		t.Run(what, func(t *testing.T) {
			c := valid(test.change)
			err := c.Validate()
			if test.want == "" && err != nil {
				t.Fatal(err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Fatalf("the answer is %v, want one with %q", err, test.want)
			}
			if test.want == "" && (!filepath.IsAbs(c.Dir) || !filepath.IsAbs(c.BuildDir)) {
				t.Errorf("the directories are %s and %s, want absolute ones", c.Dir, c.BuildDir)
			}
			// "eth0" and the rest of the kernel's names have 15 characters at most.
			if test.want == "" && len(c.Link()) > 15 {
				t.Errorf("the link's name %s is too long", c.Link())
			}
		})
	}
}

// TestNoTwoNetworksShareAnAddress compares the blocks of every two networks, and looks at how each is divided.
func TestNoTwoNetworksShareAnAddress(t *testing.T) {
	ten := netip.MustParsePrefix("10.0.0.0/8")
	var taken []netip.Prefix
	for n := range MaxNetwork + 1 {
		at := Config{Network: n}.Addresses()
		link := netip.PrefixFrom(at.Host, at.Link).Masked()
		if !link.Contains(at.Node) || at.Host == at.Node {
			t.Errorf("network %d: host %s and node %s do not share a /%d", n, at.Host, at.Node, at.Link)
		}
		if !at.Services.Contains(at.Kubernetes) || !at.Services.Contains(at.DNS) || at.Kubernetes == at.DNS {
			t.Errorf("network %d: %s and %s are not two Services of %s", n, at.Kubernetes, at.DNS, at.Services)
		}
		// kube-apiserver gives its own Service the first address of the range.
		if at.Kubernetes != at.Services.Addr().Next() {
			t.Errorf("network %d: the API server's Service is %s, want the first of %s", n, at.Kubernetes, at.Services)
		}
		for _, block := range []netip.Prefix{link, at.Pods, at.Services} {
			if block != block.Masked() || !ten.Overlaps(block) || block.Bits() < ten.Bits() {
				t.Errorf("network %d: %s is no private block", n, block)
			}
			for _, other := range taken {
				if block.Overlaps(other) {
					t.Errorf("network %d: %s overlaps %s", n, block, other)
				}
			}
			taken = append(taken, block)
		}
	}
}

func TestParsePublication(t *testing.T) {
	for text, want := range map[string]Publication{
		"3000=suoke-life/suokelife-service:80": {Port: 3000, Namespace: "suoke-life", Service: "suokelife-service", ServicePort: 80},
		"65535=a/b:65535":                      {Port: 65535, Namespace: "a", Service: "b", ServicePort: 65535},
	} {
		got, err := ParsePublication(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
		if again := text[strings.IndexByte(text, '=')+1:]; got.Target() != again {
			t.Errorf("the target is %s, want %s", got.Target(), again)
		}
	}
	const form, ports = "write PORT=NAMESPACE/SERVICE:PORT", "write ports from 1 to 65535"
	for text, want := range map[string]string{
		"":                     form,
		"3000":                 form,
		"3000=app:80":          form,
		"3000=ns/app":          form,
		"3000=ns/app:http":     form,
		"3000=ns/app/x:80":     form,
		"3000=ns/../pods/x:80": form,
		"3000=Ns/app:80":       form,
		"3000=ns/-app:80":      form,
		"-1=ns/app:80":         form,
		"3000=ns/app:80\n":     form,
		"123456=ns/app:80":     form,
		"0=ns/app:80":          ports,
		"65536=ns/app:80":      ports,
		"3000=ns/app:0":        ports,
		"3000=ns/app:65536":    ports,
	} {
		if _, err := ParsePublication(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--publish %q is answered %v, want one with %q", text, err, want)
		}
	}
}
