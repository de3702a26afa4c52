package netpol

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// shop is a cluster of three namespaces in which policies are tried.
func shop(t *testing.T, policies ...string) Cluster {
	t.Helper()
	pod := func(namespace, name, ip string, change ...func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}},
			Status:     corev1.PodStatus{PodIP: ip, Phase: corev1.PodRunning},
		}
		for _, f := range change {
			f(p)
		}
		return p
	}
	port := func(name string, number int32, protocol corev1.Protocol) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{
				Ports: []corev1.ContainerPort{{Name: name, ContainerPort: number, Protocol: protocol}},
			})
		}
	}
	c := Cluster{
		Pods: []*corev1.Pod{
			pod("shop", "db", "10.1.0.1", port("sql", 5432, "")),
			pod("shop", "web", "10.1.0.3", port("http", 8080, corev1.ProtocolTCP)),
			pod("shop", "web", "10.1.0.2", port("http", 8081, corev1.ProtocolTCP)),
			pod("ops", "probe", "10.1.0.4", port("http", 9000, corev1.ProtocolTCP)),
			pod("names", "dns", "10.1.0.5", port("dns", 53, corev1.ProtocolUDP), port("dns", 1053, corev1.ProtocolTCP)),
			// What has no address of its own, or no longer, is in no rule.
			pod("shop", "web", ""),
			pod("shop", "web", "10.1.0.8", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
			pod("shop", "web", "10.1.0.9", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
			pod("shop", "web", "10.9.255.2", func(p *corev1.Pod) { p.Spec.HostNetwork = true }),
		},
	}
	for _, name := range []string{"shop", "ops", "names"} {
		c.Namespaces = append(c.Namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": name}}})
	}
	for i, spec := range policies {
		p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("p", i)}}
		if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
			t.Fatal(err)
		}
		c.Policies = append(c.Policies, p)
	}
	return c
}

// script is a whole table, of the rules of each direction and of the Pods that are isolated.
func script(ingress, egress, forward []string) string {
	lines := func(list []string) string {
		var b strings.Builder
		for _, line := range list {
			b.WriteString("    " + line + "\n")
		}
		return b.String()
	}
	return "table ip netpol\ndelete table ip netpol\ntable ip netpol {\n" +
		"  chain ingress {\n" + lines(append(ingress, "drop")) + "  }\n" +
		"  chain egress {\n" + lines(append(egress, "drop")) + "  }\n" +
		"  chain forward {\n    type filter hook forward priority 0;\n    ct state established,related accept\n" + lines(forward) + "  }\n}\n"
}

// cases are policies, of namespace shop, with the table that they mean.
var cases = map[string]struct {
	policies                 []string
	ingress, egress, forward []string
}{
	"without a policy nothing is dropped": {},
	"a policy that selects nobody isolates nobody": {
		policies: []string{`{podSelector: {matchLabels: {app: nobody}}, policyTypes: [Ingress, Egress]}`},
	},
	"Pods of another namespace are not selected": {
		policies: []string{`{podSelector: {matchLabels: {app: dns}}, policyTypes: [Ingress]}`},
	},
	"default deny isolates every Pod in both directions": {
		policies: []string{`{podSelector: {}, policyTypes: [Ingress, Egress]}`},
		forward:  []string{"ip saddr { 10.1.0.1, 10.1.0.2, 10.1.0.3 } jump egress", "ip daddr { 10.1.0.1, 10.1.0.2, 10.1.0.3 } jump ingress"},
	},
	"egress alone is denied": {
		policies: []string{`{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}`},
		forward:  []string{"ip saddr { 10.1.0.2, 10.1.0.3 } jump egress"},
	},
	"an allow-list by label": {
		policies: []string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress],
			ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]}`},
		ingress: []string{"ip saddr { 10.1.0.2, 10.1.0.3 } ip daddr { 10.1.0.1 } tcp dport 5432 return"},
		forward: []string{"ip daddr { 10.1.0.1 } jump ingress"},
	},
	"peers of other namespaces, by the namespace's label and both labels": {
		policies: []string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [
			{namespaceSelector: {matchLabels: {team: ops}}},
			{namespaceSelector: {}, podSelector: {matchLabels: {app: dns}}},
			{namespaceSelector: {matchLabels: {team: ops}}, podSelector: {matchLabels: {app: web}}}]}]}`},
		ingress: []string{"ip saddr { 10.1.0.4 } ip daddr { 10.1.0.1 } return", "ip saddr { 10.1.0.5 } ip daddr { 10.1.0.1 } return"},
		forward: []string{"ip daddr { 10.1.0.1 } jump ingress"},
	},
	"an empty rule allows everything": {
		policies: []string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}`},
		ingress:  []string{"ip daddr { 10.1.0.1 } return"},
		egress:   []string{"ip saddr { 10.1.0.1 } return"},
		forward:  []string{"ip saddr { 10.1.0.1 } jump egress", "ip daddr { 10.1.0.1 } jump ingress"},
	},
	"blocks, with and without exceptions": {
		policies: []string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], egress: [{to: [
			{ipBlock: {cidr: 192.0.2.0/24}},
			{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.1.2.0/24]}}]}]}`},
		egress: []string{
			"ip saddr { 10.1.0.1 } ip daddr 192.0.2.0/24 return",
			"ip saddr { 10.1.0.1 } ip daddr 10.0.0.0/8 ip daddr != { 10.1.0.0/16, 10.1.2.0/24 } return",
		},
		forward: []string{"ip saddr { 10.1.0.1 } jump egress"},
	},
	"a block of IPv6 means nothing here": {
		policies: []string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], egress: [{to: [
			{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: "::/0", except: ["fd00::/8"]}}]}]}`},
		egress:  []string{"ip saddr { 10.1.0.1 } ip daddr 0.0.0.0/0 return"},
		forward: []string{"ip saddr { 10.1.0.1 } jump egress"},
	},
	"ports of every kind": {
		policies: []string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{ports: [
			{port: 80}, {port: 53, protocol: UDP}, {port: 7, protocol: SCTP}, {port: 8000, endPort: 8999}, {protocol: UDP}]}]}`},
		ingress: []string{
			"ip daddr { 10.1.0.1 } tcp dport 80 return",
			"ip daddr { 10.1.0.1 } udp dport 53 return",
			"ip daddr { 10.1.0.1 } sctp dport 7 return",
			"ip daddr { 10.1.0.1 } tcp dport 8000-8999 return",
			"ip daddr { 10.1.0.1 } meta l4proto udp return",
		},
		forward: []string{"ip daddr { 10.1.0.1 } jump ingress"},
	},
	"a named port is each receiver's own": {
		policies: []string{`{podSelector: {}, policyTypes: [Ingress],
			ingress: [{from: [{namespaceSelector: {matchLabels: {team: ops}}}], ports: [{port: http}, {port: unknown}]}]}`},
		ingress: []string{
			"ip saddr { 10.1.0.4 } ip daddr 10.1.0.2 tcp dport 8081 return",
			"ip saddr { 10.1.0.4 } ip daddr 10.1.0.3 tcp dport 8080 return",
		},
		forward: []string{"ip daddr { 10.1.0.1, 10.1.0.2, 10.1.0.3 } jump ingress"},
	},
	"a named port of the other protocol is another": {
		policies: []string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress],
			egress: [{to: [{namespaceSelector: {matchLabels: {team: names}}}], ports: [{port: dns, protocol: UDP}, {port: dns}]}]}`},
		egress: []string{
			"ip saddr { 10.1.0.1 } ip daddr 10.1.0.5 udp dport 53 return",
			"ip saddr { 10.1.0.1 } ip daddr 10.1.0.5 tcp dport 1053 return",
		},
		forward: []string{"ip saddr { 10.1.0.1 } jump egress"},
	},
	"a named port in every namespace": {
		policies: []string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: http}]}]}`},
		egress: []string{
			"ip saddr { 10.1.0.1 } ip daddr 10.1.0.4 tcp dport 9000 return",
			"ip saddr { 10.1.0.1 } ip daddr 10.1.0.2 tcp dport 8081 return",
			"ip saddr { 10.1.0.1 } ip daddr 10.1.0.3 tcp dport 8080 return",
		},
		forward: []string{"ip saddr { 10.1.0.1 } jump egress"},
	},
	"a named port of anybody is that of every Pod": {
		policies: []string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], egress: [{ports: [{port: http}, {port: dns, protocol: UDP}]}]}`},
		egress: []string{
			"ip saddr { 10.1.0.1 } ip daddr 10.1.0.2 tcp dport 8081 return",
			"ip saddr { 10.1.0.1 } ip daddr 10.1.0.3 tcp dport 8080 return",
			"ip saddr { 10.1.0.1 } ip daddr 10.1.0.4 tcp dport 9000 return",
			"ip saddr { 10.1.0.1 } ip daddr 10.1.0.5 udp dport 53 return",
		},
		forward: []string{"ip saddr { 10.1.0.1 } jump egress"},
	},
	"policies add up": {
		policies: []string{
			`{podSelector: {}, policyTypes: [Ingress]}`,
			`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`,
			`{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{ports: [{port: 8080}]}]}`,
		},
		ingress: []string{
			"ip saddr { 10.1.0.2, 10.1.0.3 } ip daddr { 10.1.0.1 } return",
			"ip daddr { 10.1.0.2, 10.1.0.3 } tcp dport 8080 return",
		},
		forward: []string{"ip daddr { 10.1.0.1, 10.1.0.2, 10.1.0.3 } jump ingress"},
	},
	"a rule without a peer that is there allows nobody": {
		policies: []string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress],
			ingress: [{from: [{podSelector: {matchLabels: {app: nobody}}}]}],
			egress: [{to: [{podSelector: {matchLabels: {app: nobody}}}, {ipBlock: {cidr: "2001:db8::/32"}}], ports: [{port: http}]}]}`},
		forward: []string{"ip saddr { 10.1.0.1 } jump egress", "ip daddr { 10.1.0.1 } jump ingress"},
	},
}

func TestTable(t *testing.T) {
	for what, test := range cases {
		t.Run(what, func(t *testing.T) {
			got := Table(shop(t, test.policies...))
			if diff := cmp.Diff(script(test.ingress, test.egress, test.forward), got); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTableDoesNotDependOnOrder shuffles what the API server lists in no order: a table that changes is loaded again.
func TestTableDoesNotDependOnOrder(t *testing.T) {
	for what, test := range cases {
		t.Run(what, func(t *testing.T) {
			c := shop(t, test.policies...)
			want := Table(c)
			random := rand.New(rand.NewPCG(1, 2))
			for range 50 {
				random.Shuffle(len(c.Pods), func(i, j int) { c.Pods[i], c.Pods[j] = c.Pods[j], c.Pods[i] })
				random.Shuffle(len(c.Namespaces), func(i, j int) { c.Namespaces[i], c.Namespaces[j] = c.Namespaces[j], c.Namespaces[i] })
				slices.Reverse(c.Policies)
				if diff := cmp.Diff(want, Table(c)); diff != "" {
					t.Fatalf("the same cluster in another order (-before +after):\n%s", diff)
				}
			}
		})
	}
}

// TestNftTakesEveryTable only checks: nothing is changed.
func TestNftTakesEveryTable(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil || os.Geteuid() != 0 {
		t.Skip("checking needs nft and root")
	}
	for what, test := range cases {
		t.Run(what, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "nft", "--check", "--file", "-")
			cmd.Stdin = strings.NewReader(Table(shop(t, test.policies...)))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("nft: %v\n%s", err, out)
			}
		})
	}
}
