package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// connect makes the pair of links between host and node, and the host's routes to Pods and Services. They go with the node.
func connect(c cluster.Config, nodePID int) error {
	at := c.Addresses()
	pair := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: c.Link()}, PeerName: "eth0", PeerNamespace: netlink.NsPid(nodePID),
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("making link %s: %w", c.Link(), err)
	}
	link, err := netlink.LinkByName(c.Link())
	if err != nil {
		return fmt.Errorf("finding link %s: %w", c.Link(), err)
	}
	address, err := netlink.ParseAddr(fmt.Sprintf("%s/%d", at.Host, at.Link))
	if err != nil {
		return fmt.Errorf("addressing link %s: %w", c.Link(), err)
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		return fmt.Errorf("addressing link %s: %w", c.Link(), err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting link %s up: %w", c.Link(), err)
	}
	for _, to := range []netip.Prefix{at.Pods, at.Services} {
		route := &netlink.Route{
			LinkIndex: link.Attrs().Index, Gw: net.IP(at.Node.AsSlice()),
			Dst: &net.IPNet{IP: net.IP(to.Addr().AsSlice()), Mask: net.CIDRMask(to.Bits(), 32)},
		}
		err := netlink.RouteAdd(route)
		if errors.Is(err, syscall.EEXIST) {
			return fmt.Errorf("this machine already has a route to %s: choose another block of addresses with --network", to)
		}
		if err != nil {
			return fmt.Errorf("routing %s: %w", to, err)
		}
	}
	return nil
}

// disconnect removes the link if it is there, and with it its routes.
func disconnect(c cluster.Config) error {
	link, err := netlink.LinkByName(c.Link())
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("finding link %s: %w", c.Link(), err)
	}
	// The kernel removes it by itself with the node's namespace, perhaps at this very moment.
	if err := netlink.LinkDel(link); err != nil && !errors.Is(err, syscall.ENODEV) {
		return fmt.Errorf("removing link %s: %w", c.Link(), err)
	}
	return nil
}
