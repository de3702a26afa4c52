package netpol

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Cluster is what policies are about.
type Cluster struct {
	Pods       []*corev1.Pod
	Namespaces []*corev1.Namespace
	Policies   []*networkingv1.NetworkPolicy
}

// Table returns the nftables script that puts the policies in force. The same cluster gives the same script.
//
// A Pod that some policy selects for a direction is isolated in it: its packets go through that direction's chain, where any
// rule that matches returns them, and the end drops them.
func Table(c Cluster) string {
	var ingress, egress chain
	policies := slices.SortedFunc(slices.Values(c.Policies), func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, p := range policies {
		own := c.selected(p.Namespace, &p.Spec.PodSelector)
		if len(own) == 0 {
			continue
		}
		if slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) {
			ingress.isolate(own)
			c.into(&ingress, own, p)
		}
		if slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
			egress.isolate(own)
			c.outOf(&egress, own, p)
		}
	}
	var b strings.Builder
	// Adding the table before deleting it makes the deletion succeed the first time; nft does it all in one transaction.
	b.WriteString("table ip netpol\ndelete table ip netpol\ntable ip netpol {\n")
	fmt.Fprintf(&b, "  chain ingress {\n%s    drop\n  }\n  chain egress {\n%s    drop\n  }\n", &ingress.rules, &egress.rules)
	b.WriteString("  chain forward {\n    type filter hook forward priority 0;\n    ct state established,related accept\n")
	if len(egress.isolated) > 0 {
		fmt.Fprintf(&b, "    %s jump egress\n", group{pods: egress.isolated}.match("ip saddr"))
	}
	if len(ingress.isolated) > 0 {
		fmt.Fprintf(&b, "    %s jump ingress\n", group{pods: ingress.isolated}.match("ip daddr"))
	}
	b.WriteString("  }\n}\n")
	return b.String()
}

// into adds what a policy lets into its own Pods.
func (c Cluster) into(ingress *chain, own []*corev1.Pod, p *networkingv1.NetworkPolicy) {
	for _, rule := range p.Spec.Ingress {
		for _, from := range c.peers(p.Namespace, rule.From) {
			ingress.allow(from.match("ip saddr"), group{pods: own}.match("ip daddr"), own, rule.Ports)
		}
	}
}

// outOf adds what a policy lets out of its own Pods.
func (c Cluster) outOf(egress *chain, own []*corev1.Pod, p *networkingv1.NetworkPolicy) {
	for _, rule := range p.Spec.Egress {
		for _, to := range c.peers(p.Namespace, rule.To) {
			egress.allow(group{pods: own}.match("ip saddr"), to.match("ip daddr"), c.receivers(to), rule.Ports)
		}
	}
}

// chain is one direction's rules and the Pods that they isolate.
type chain struct {
	rules    strings.Builder
	isolated []*corev1.Pod
}

func (c *chain) isolate(pods []*corev1.Pod) { c.isolated = append(c.isolated, pods...) }

// allow lets packets through from source to destination (both are matches) on the ports. receivers are the Pods in which a
// port's name is looked up; the receiver's own address then stands in place of the destination.
func (c *chain) allow(source, destination string, receivers []*corev1.Pod, ports []networkingv1.NetworkPolicyPort) {
	if len(ports) == 0 {
		c.add(source, destination)
	}
	for _, port := range ports {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		keyword := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			c.add(source, destination, "meta l4proto "+keyword)
		case port.Port.Type == intstr.Int && port.EndPort != nil:
			c.add(source, destination, fmt.Sprintf("%s dport %d-%d", keyword, port.Port.IntVal, *port.EndPort))
		case port.Port.Type == intstr.Int:
			c.add(source, destination, fmt.Sprintf("%s dport %d", keyword, port.Port.IntVal))
		default:
			for _, pod := range receivers {
				if number := named(pod, port.Port.StrVal, protocol); number > 0 {
					c.add(source, "ip daddr "+pod.Status.PodIP, fmt.Sprintf("%s dport %d", keyword, number))
				}
			}
		}
	}
}

func (c *chain) add(matches ...string) {
	c.rules.WriteString("   ")
	for _, m := range append(matches, "return") {
		if m != "" {
			c.rules.WriteString(" " + m)
		}
	}
	c.rules.WriteString("\n")
}

// group is one end of a rule: Pods, a block of addresses, or, if both are empty, anything.
type group struct {
	pods  []*corev1.Pod
	block *networkingv1.IPBlock
}

// match is the group as nftables expressions on an address of the packet.
func (g group) match(address string) string {
	switch {
	case g.block != nil && len(g.block.Except) > 0:
		return fmt.Sprintf("%s %s %s != { %s }", address, g.block.CIDR, address, strings.Join(g.block.Except, ", "))
	case g.block != nil:
		return address + " " + g.block.CIDR
	case len(g.pods) > 0:
		var ips []string
		for _, pod := range g.pods {
			ips = append(ips, pod.Status.PodIP)
		}
		slices.Sort(ips)
		return fmt.Sprintf("%s { %s }", address, strings.Join(slices.Compact(ips), ", "))
	default:
		return ""
	}
}

// receivers are the Pods of a group, and all where it is anything. Blocks are for addresses that are not Pods'.
func (c Cluster) receivers(g group) []*corev1.Pod {
	if g.block != nil || len(g.pods) > 0 {
		return g.pods
	}
	return c.pods(func(*corev1.Pod) bool { return true })
}

// peers turns a rule's peers into groups. No peers mean anything; a peer that matches no Pod is left out, and so is a block of
// another kind than IPv4: nft would refuse the whole table for it.
func (c Cluster) peers(namespace string, peers []networkingv1.NetworkPolicyPeer) []group {
	if len(peers) == 0 {
		return []group{{}}
	}
	var groups []group
	for _, peer := range peers {
		if peer.IPBlock != nil {
			if block, err := netip.ParsePrefix(peer.IPBlock.CIDR); err == nil && block.Addr().Is4() {
				groups = append(groups, group{block: peer.IPBlock})
			}
			continue
		}
		namespaces := []string{namespace}
		if peer.NamespaceSelector != nil {
			namespaces = c.namespaces(peer.NamespaceSelector)
		}
		var pods []*corev1.Pod
		for _, name := range namespaces {
			pods = append(pods, c.selected(name, peer.PodSelector)...)
		}
		if len(pods) > 0 {
			groups = append(groups, group{pods: pods})
		}
	}
	return groups
}

func (c Cluster) namespaces(by *metav1.LabelSelector) []string {
	selects := selector(by)
	var names []string
	for _, n := range c.Namespaces {
		if selects.Matches(labels.Set(n.Labels)) {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// selected lists the Pods of a namespace; no selector selects all of them.
func (c Cluster) selected(namespace string, by *metav1.LabelSelector) []*corev1.Pod {
	selects := labels.Everything()
	if by != nil {
		selects = selector(by)
	}
	return c.pods(func(pod *corev1.Pod) bool {
		return pod.Namespace == namespace && selects.Matches(labels.Set(pod.Labels))
	})
}

// pods lists, by address, the wanted Pods that have one of their own.
func (c Cluster) pods(wanted func(*corev1.Pod) bool) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, pod := range c.Pods {
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Status.PodIP != "" && !pod.Spec.HostNetwork && !ended && wanted(pod) {
			pods = append(pods, pod)
		}
	}
	return slices.SortedFunc(slices.Values(pods), func(a, b *corev1.Pod) int { return cmp.Compare(a.Status.PodIP, b.Status.PodIP) })
}

// selector selects nothing if it is not one: the API server refuses those, so that this only guards.
func selector(s *metav1.LabelSelector) labels.Selector {
	selects, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labels.Nothing()
	}
	return selects
}

// named finds the number of a Pod's port by its name, or 0.
func named(pod *corev1.Pod, name string, protocol corev1.Protocol) int32 {
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, port := range container.Ports {
			if port.Name == name && cmp.Or(port.Protocol, corev1.ProtocolTCP) == protocol {
				return port.ContainerPort
			}
		}
	}
	return 0
}
