package dispatch

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// alwaysRefused are addresses that no webhook may be at.
var alwaysRefused = []string{
	"0.0.0.0", "::",
	"169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255",
	"fe80::", "fe80::1%eth0", "fe80::a9fe:a9fe", "febf:ffff::1",
	"224.0.0.0", "239.255.255.255", "ff00::", "ff02::1", "ffff::ffff",
	"100.100.100.200", "168.63.129.16", "192.0.0.192",
	"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42", "fd00:c1::a9fe:a9fe",
	"::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:168.63.129.16", "::ffff:224.0.0.1", // mapped
	"::169.254.169.254", "::100.100.100.200", // compatible
	"::ffff:0:169.254.169.254",                                               // translated
	"64:ff9b::169.254.169.254", "64:ff9b::168.63.129.16", "64:ff9b::0.0.0.0", // NAT64
	"64:ff9b:1::169.254.169.254", "64:ff9b:1:a9fe:a9:fe00::", // local NAT64, /96 and /48
	"64:ff9b:1:a9:fe:a9fe::", "64:ff9b:1:0:a9:fea9:fe00:0", "64:ff9b:1:7::0.0.0.0", // /56, /64
	"2002:a9fe:a9fe::", "2002:a9fe:a9fe:1::1", "2002:a83f:8110::", "2002::", "2002:e000:1::", // 6to4
	// Teredo: server, client
	"2001:0:a9fe:a9fe::", "2001:0:808:808:0:0:5601:5601", "2001:0:808:808::ffff:ffff",
}

// notPublicEither are further addresses that PublicOnly refuses: the edges of each range of the
// registries.
var notPublicEither = []string{
	"0.0.0.1", "0.255.255.255",
	"10.0.0.0", "10.255.255.255",
	"100.64.0.0", "100.127.255.255",
	"127.0.0.0", "127.0.0.1", "127.255.255.255",
	"172.16.0.0", "172.31.255.255",
	"192.0.0.0", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.171", "192.0.0.255",
	"192.0.2.0", "192.0.2.255",
	"192.31.196.0", "192.31.196.255",
	"192.52.193.0", "192.52.193.255",
	"192.88.99.0", "192.88.99.2", "192.88.99.255",
	"192.168.0.0", "192.168.255.255",
	"192.175.48.0", "192.175.48.255",
	"198.18.0.0", "198.19.255.255",
	"198.51.100.0", "198.51.100.255",
	"203.0.113.0", "203.0.113.255",
	"240.0.0.0", "255.255.255.254", "255.255.255.255",
	"::1", "::2", "::127.0.0.1", "::8.8.8.8", "::ffff:ffff",
	"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:192.168.1.1", "::ffff:255.255.255.255",
	"::ffff:0:8.8.8.8",
	"64:ff9b::127.0.0.1", "64:ff9b::10.1.2.3", "64:ff9b::192.0.2.33", "64:ff9b::255.255.255.255",
	"64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff:ffff:ffff:8.8.8.8", "64:ff9b:2::8.8.8.8",
	"100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff",
	"2001:0:808:808:0:0:f7f7:f7f7", // Teredo of public addresses
	"2001:1::1", "2001:1::2", "2001:1::3", "2001:2::", "2001:2:0:ffff::", "2001:3::", "2001:4:112::",
	"2001:10::", "2001:1f:ffff::", "2001:20::", "2001:2f:ffff::", "2001:30::", "2001:3f:ffff::", "2001:1ff:ffff::",
	"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
	"2002:808:808::", "2002:7f00:1::", "2002:ffff:ffff::1", // 6to4
	"2620:4f:8000::", "2620:4f:8000:ffff::1",
	"3fff::", "3fff:fff:ffff::",
	"4000::", "5f00::", "5f00:ffff::1",
	"fc00::", "fd00::1", "fdff:ffff::1",
	"fec0::", "feff::1",
	"1fff:ffff::1", "e000::",
}

// public are addresses just outside of the ranges.
var public = []string{
	"1.0.0.0", "8.8.8.8", "9.255.255.255", "11.0.0.0",
	"100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
	"168.63.129.15", "168.63.129.17",
	"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
	"191.255.255.255", "192.0.1.0", "192.0.1.255", "192.0.3.0",
	"192.31.195.255", "192.31.197.0", "192.52.192.255", "192.52.194.0",
	"192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "192.175.47.255", "192.175.49.0",
	"198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
	"::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
	"2000::1", "2001:200::", "2001:4860:4860::8888", "2001:db7:ffff::1", "2001:db9::", "2003::1",
	"2606:4700::1111", "2620:4f:7fff::1", "2620:4f:8001::", "2a00:1450::1", "3ffe:ffff::1", "3fff:1000::",
}

func TestFault19Addresses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name               string
		addrs              []string
		always, publicOnly bool // refused
	}{
		{"always refused", alwaysRefused, true, true},
		{"not public", notPublicEither, false, true},
		{"public", public, false, false},
	} {
		for _, s := range tc.addrs {
			addr := netip.MustParseAddr(s)
			if got := (guard{}).checkAddr(addr) != nil; got != tc.always {
				t.Errorf("%s, %s: refused is %v", tc.name, s, got)
			}
			if got := (guard{publicOnly: true}).checkAddr(addr) != nil; got != tc.publicOnly {
				t.Errorf("%s, %s: refused under PublicOnly is %v", tc.name, s, got)
			}
		}
	}
}

func TestAddressesWithoutDialerFormAreRefused(t *testing.T) {
	t.Parallel()
	for _, hostport := range []string{"", ":80", "receiver.test:80", "127.0.0.1", "[::1]", "2130706433:80", "0x7f.1:80"} {
		if (guard{}).check(hostport) == nil {
			t.Errorf("%q is permitted", hostport)
		}
	}
}

// FuzzGuard holds every form of an address that is refused to be refused as well, and PublicOnly to
// permit nothing that is refused without it.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"169.254.169.254", "127.0.0.1", "8.8.8.8", "10.0.0.1", "0.0.0.0"} {
		f.Add(binary.BigEndian.Uint32(netip.MustParseAddr(s).AsSlice()), uint64(1))
	}
	f.Fuzz(func(t *testing.T, v4bits uint32, low uint64) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], v4bits)
		v4 := netip.AddrFrom4(b)
		for _, form := range formsOf(b, low) {
			for _, g := range []guard{{}, {publicOnly: true}} {
				if g.checkAddr(v4) != nil && g.checkAddr(form) == nil {
					t.Errorf("%v is refused, %v is not (%+v)", v4, form, g)
				}
			}
			if (guard{}).checkAddr(form) != nil && (guard{publicOnly: true}).checkAddr(form) == nil {
				t.Errorf("PublicOnly permits %v", form)
			}
		}
	})
}

// formsOf returns the IPv6 addresses that hold an IPv4 address, low filling what is free.
func formsOf(v4 [4]byte, low uint64) []netip.Addr {
	var forms []netip.Addr
	for _, prefix := range []string{"::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::"} {
		b := netip.MustParseAddr(prefix).As16()
		copy(b[12:], v4[:])
		forms = append(forms, netip.AddrFrom16(b))
	}
	sixToFour := netip.MustParseAddr("2002::").As16()
	copy(sixToFour[2:], v4[:])
	binary.BigEndian.PutUint64(sixToFour[8:], low)
	teredo := netip.MustParseAddr("2001::").As16()
	binary.BigEndian.PutUint64(teredo[4:], low)
	for i := range v4 {
		teredo[12+i] = ^v4[i]
	}
	return append(forms, netip.AddrFrom16(sixToFour), netip.AddrFrom16(teredo))
}
