package dispatch

import "net/netip"

// addrRange is a range of addresses with one purpose.
type addrRange struct {
	prefix netip.Prefix
	what   string
}

// kindIn returns what the first range that holds addr is for, or "".
func kindIn(ranges []addrRange, addr netip.Addr) string {
	for _, r := range ranges {
		if r.prefix.Contains(addr) {
			return r.what
		}
	}
	return ""
}

func ipRange(prefix, what string) addrRange {
	return addrRange{netip.MustParsePrefix(prefix), what}
}

// Ranges of IPv6 whose addresses hold an IPv4 address.
var (
	compatible = netip.MustParsePrefix("::/96")
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")
	teredo     = netip.MustParsePrefix("2001::/32")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

// globalUnicast is all of IPv6 that is given out for the public Internet, NAT64 aside.
var globalUnicast = netip.MustParsePrefix("2000::/3")

// never is what no webhook may be at: who can choose a URL must not get at the host's cloud
// credentials, at its link or at everybody at once.
var never = []addrRange{
	ipRange("0.0.0.0/32", "unspecified"),
	ipRange("169.254.169.254/32", "cloud metadata"),
	ipRange("169.254.0.0/16", "link-local"),
	ipRange("224.0.0.0/4", "multicast"),
	ipRange("100.100.100.200/32", "cloud metadata"), // Alibaba Cloud
	ipRange("168.63.129.16/32", "cloud metadata"),   // Azure
	ipRange("192.0.0.192/32", "cloud metadata"),     // Oracle Cloud
	ipRange("::/128", "unspecified"),
	ipRange("fe80::/10", "link-local"),
	ipRange("ff00::/8", "multicast"),
	ipRange("fd00:ec2::/32", "cloud metadata"),          // AWS
	ipRange("fd20:ce::254/128", "cloud metadata"),       // Google Cloud
	ipRange("fd00:42::42/128", "cloud metadata"),        // Scaleway
	ipRange("fd00:c1::a9fe:a9fe/128", "cloud metadata"), // Oracle Cloud
}

// special is what the IANA registries of special-purpose addresses list within IPv4 and within
// global unicast IPv6. The rest of IPv6 is not public anyway.
var special = []addrRange{
	ipRange("0.0.0.0/8", "this network"),
	ipRange("10.0.0.0/8", "private"),
	ipRange("100.64.0.0/10", "carrier-grade NAT"),
	ipRange("127.0.0.0/8", "loopback"),
	ipRange("169.254.0.0/16", "link-local"),
	ipRange("172.16.0.0/12", "private"),
	ipRange("192.0.0.0/24", "protocol assignments"),
	ipRange("192.0.2.0/24", "documentation"),
	ipRange("192.31.196.0/24", "AS112"),
	ipRange("192.52.193.0/24", "AMT"),
	ipRange("192.88.99.0/24", "6to4 relay"),
	ipRange("192.168.0.0/16", "private"),
	ipRange("192.175.48.0/24", "AS112"),
	ipRange("198.18.0.0/15", "benchmarking"),
	ipRange("198.51.100.0/24", "documentation"),
	ipRange("203.0.113.0/24", "documentation"),
	ipRange("224.0.0.0/4", "multicast"),
	ipRange("240.0.0.0/4", "reserved"),
	ipRange("2001::/23", "protocol assignments"), // with Teredo, benchmarking, AMT, ORCHID, drones
	ipRange("2001:db8::/32", "documentation"),
	ipRange("2002::/16", "6to4"),
	ipRange("2620:4f:8000::/48", "AS112"),
	ipRange("3fff::/20", "documentation"),
}
