package outbound

import "testing"

func TestParseHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"169.254.169.254": "169.254.169.254", "169.254.169.254.": "169.254.169.254",
		"2852039166": "169.254.169.254", "0xa9fea9fe": "169.254.169.254", "0XA9FEA9FE": "169.254.169.254",
		"0251.0376.0251.0376": "169.254.169.254", "169.254.43518": "169.254.169.254", "169.16689662": "169.254.169.254",
		"127.1": "127.0.0.1", "127.0.1": "127.0.0.1", "0x7f.1": "127.0.0.1", "0": "0.0.0.0", "0x": "0.0.0.0", "1.": "0.0.0.1",
		"１２７.0.0.1": "127.0.0.1", "127。0。0。1": "127.0.0.1", "4294967295": "255.255.255.255",
		"::1": "::1", "fe80::1%eth0": "fe80::1%eth0", "::ffff:127.0.0.1": "::ffff:127.0.0.1",
		"receiver.test": "", "1.receiver": "", "1.2.3.4.receiver.test": "", "0xg": "", "a1": "", "": "", ".": "", "1..": "", "bücher.test": "",
	} {
		addr, err := ParseHost(host)
		got := ""
		if addr.IsValid() {
			got = addr.String()
		}
		if err != nil || got != want {
			t.Errorf("%q is %q, %v, want %q", host, got, err, want)
		}
	}
	for _, host := range []string{
		"256.1.1.1", "1.2.3.4.5", "1.2.3.256", "4294967296", "0x100000000", "99999999999999999999999", "1.2.3.08", "a.1", "1..2", "127.0.0.0x1g.1", ".1",
	} {
		if addr, err := ParseHost(host); err == nil {
			t.Errorf("%q is %v, want an error", host, addr)
		}
	}
}
