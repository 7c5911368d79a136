package webhookui

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// colours returns the variables of both themes.
func colours(t *testing.T) (light, dark map[string]string) {
	t.Helper()
	css := string(files["style.css"])
	before, after, found := strings.Cut(css, "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("there is no dark theme")
	}
	variable := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	read := func(text string) map[string]string {
		text, _, _ = strings.Cut(text, "}")
		m := map[string]string{}
		for _, v := range variable.FindAllStringSubmatch(text, -1) {
			m[v[1]] = v[2]
		}
		return m
	}
	return read(before), read(after)
}

// luminance is the relative luminance of WCAG 2.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	v, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 32)
	if err != nil {
		t.Fatalf("%q is no colour", colour)
	}
	linear := func(c uint64) float64 {
		s := float64(c&0xff) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(v>>16) + 0.7152*linear(v>>8) + 0.0722*linear(v)
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Text has a contrast of 4.5 at least (WCAG AA), and the edges of controls and symbols of 3.
func TestContrast(t *testing.T) {
	t.Parallel()
	text := map[string][]string{
		"text":  {"page", "card", "sunken", "good-soft", "bad-soft", "warn-soft", "calm-soft"},
		"muted": {"page", "card", "sunken"}, "link": {"page", "card", "sunken"},
		"good": {"card", "sunken", "good-soft"}, "bad": {"page", "card", "sunken", "bad-soft"}, "warn": {"card", "sunken", "warn-soft"}, "calm": {"card", "sunken", "calm-soft"},
		"on-accent": {"accent"}, "card": {"bad"},
	}
	symbols := map[string][]string{"edge": {"page", "card"}, "accent": {"page", "card"}, "good": {"page"}, "card": {"good", "bad", "warn"}}
	light, dark := colours(t)
	if len(light) != len(dark) || len(light) < 15 {
		t.Errorf("the themes have %d and %d colours", len(light), len(dark))
	}
	if math.Abs(contrast(t, "#000000", "#ffffff")-21) > 0.01 || math.Abs(contrast(t, "#777777", "#ffffff")-4.48) > 0.01 {
		t.Fatal("the contrast is computed wrong")
	}
	for name, theme := range map[string]map[string]string{"light": light, "dark": dark} {
		check := func(pairs map[string][]string, least float64) {
			for front, backs := range pairs {
				for _, back := range backs {
					if c := contrast(t, theme[front], theme[back]); c < least {
						t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", name, front, back, c, least)
					}
				}
			}
		}
		check(text, 4.5)
		check(symbols, 3)
	}
}
