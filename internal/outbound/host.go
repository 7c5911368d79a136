package outbound

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// ParseHost returns the IP address that a URL's host is, by the rules of the WHATWG's URL standard:
// "2852039166", "0xa9fea9fe", "0251.0376.43518" and "169.254.169.254." are all 169.254.169.254. It
// returns the zero Addr for a name, and an error for a host that ends in a number and is no
// address. Proxies and system resolvers read such hosts as addresses too.
func ParseHost(host string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr, nil
	}
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if last := parts[len(parts)-1]; !isDigits(last) {
		if _, ok := parseNumber(last); !ok {
			return netip.Addr{}, nil
		}
	}
	return parseIPv4(parts)
}

var errNoAddress = errors.New("the host ends in a number and is not an IPv4 address")

// parseIPv4 makes an address of one to four numbers, of which the last one fills what is left.
func parseIPv4(parts []string) (netip.Addr, error) {
	if len(parts) > 4 {
		return netip.Addr{}, errNoAddress
	}
	var bits uint64
	for i, part := range parts {
		n, ok := parseNumber(part)
		width := 8
		if i == len(parts)-1 {
			width = 8 * (5 - len(parts))
		}
		if !ok || n >= 1<<width {
			return netip.Addr{}, errNoAddress
		}
		bits = bits<<width | n
	}
	return netip.AddrFrom4([4]byte{byte(bits >> 24), byte(bits >> 16), byte(bits >> 8), byte(bits)}), nil
}

// parseNumber reads a decimal, octal (0…) or hexadecimal (0x…) number. "0x" is zero.
func parseNumber(s string) (uint64, bool) {
	base, digits := 10, s
	switch {
	case len(s) >= 2 && (s[:2] == "0x" || s[:2] == "0X"):
		base, digits = 16, s[2:]
		if digits == "" {
			return 0, true
		}
	case len(s) >= 2 && s[0] == '0':
		base, digits = 8, s[1:]
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if errors.Is(err, strconv.ErrRange) {
		return n, true
	}
	return n, err == nil
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
