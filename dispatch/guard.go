package dispatch

import (
	"fmt"
	"net/netip"
	"slices"
)

// guard says which addresses may be dialed. It is asked for each address that a name resolved to,
// when the socket is about to connect, so a name that changes its addresses can't get past it.
type guard struct {
	publicOnly bool
}

// blockedError says why an address may not be dialed.
type blockedError struct {
	addr string
	what string // the kind of address
}

func (e *blockedError) Error() string {
	return fmt.Sprintf("address %s is refused: %s", e.addr, e.what)
}

// check returns a *blockedError if hostport, an IP address and a port, may not be dialed.
func (g guard) check(hostport string) error {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return &blockedError{addr: hostport, what: "not an IP address"}
	}
	return g.checkAddr(ap.Addr())
}

func (g guard) checkAddr(addr netip.Addr) error {
	plain := addr.WithZone("").Unmap()
	what := neverDialed(plain)
	if what == "" && g.publicOnly {
		what = notPublic(plain)
	}
	if what == "" {
		return nil
	}
	return &blockedError{addr: addr.String(), what: what}
}

// neverDialed returns what kind of address it is that no webhook may have, or "".
func neverDialed(addr netip.Addr) string {
	if what := kindIn(never, addr); what != "" {
		return what
	}
	for _, v4 := range embedded(addr) {
		if what := kindIn(never, v4); what != "" {
			return what + " inside IPv6"
		}
	}
	return ""
}

// notPublic returns what kind of address it is that is not on the public Internet, or "".
func notPublic(addr netip.Addr) string {
	if addr.Is4() {
		return kindIn(special, addr)
	}
	if nat64.Contains(addr) {
		// How an IPv6-only network reaches the public IPv4 Internet.
		return kindIn(special, embedded(addr)[0])
	}
	if !globalUnicast.Contains(addr) {
		return "not a public address"
	}
	return kindIn(special, addr)
}

// embedded returns the IPv4 addresses that a gateway or tunnel could take a packet for addr to.
func embedded(addr netip.Addr) []netip.Addr {
	if addr.Is4() {
		return nil
	}
	b := addr.As16()
	switch {
	case compatible.Contains(addr), translated.Contains(addr), nat64.Contains(addr):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[12:]))}
	case sixToFour.Contains(addr):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	case teredo.Contains(addr):
		client := netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
		return []netip.Addr{netip.AddrFrom4([4]byte(b[4:8])), client}
	case localNAT64.Contains(addr):
		return embeddedLocally(b)
	}
	return nil
}

// embeddedLocally returns what a local NAT64 prefix of each permitted length (96, 64, 56, 48) would
// make of an address. Only the first is certain, so an empty address in the others says nothing.
func embeddedLocally(b [16]byte) []netip.Addr {
	shorter := []netip.Addr{
		netip.AddrFrom4([4]byte{b[9], b[10], b[11], b[12]}),
		netip.AddrFrom4([4]byte{b[7], b[9], b[10], b[11]}),
		netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]}),
	}
	shorter = slices.DeleteFunc(shorter, netip.Addr.IsUnspecified)
	return append(shorter, netip.AddrFrom4([4]byte(b[12:])))
}
