package browsertest

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/pushhooks/webhook"
)

// has reports whether the page has a text, as JavaScript.
func has(text string) string { return fmt.Sprintf("document.body.innerText.includes(%q)", text) }

// ready starts a demo in which billing is held and old-dashboard has six dead letters.
func ready(t *testing.T, prefix string) *demo {
	t.Helper()
	d := newDemo(t, nil, prefix)
	d.emit(t, 3)
	d.dead(t, "old-dashboard", 6)
	d.emit(t, 10)
	d.held(t, "billing")
	return d
}

func noScripts(ctx context.Context, target *chromedp.Target) (v chromedp.Void, err error) {
	_, err = cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return v, err
}

func TestADeadLetterIsReplayedByClick(t *testing.T) {
	t.Parallel()
	d, b := ready(t, ""), open(t)
	d.dead(t, "old-dashboard", 26)
	d.mended.Store(true)
	b.run(t, chromedp.Navigate(d.server.URL+"/"), chromedp.Click(css(`a[href*="old-dashboard"]`)), chromedp.WaitVisible(css(".letter")),
		chromedp.Click(css(".letter button")), chromedp.WaitVisible(css(".notice.good")))
	b.until(t, has("1 dead letter replayed."))
	d.dead(t, "old-dashboard", 25)
	b.run(t, chromedp.Click(css(`[data-key="discard-all"]`)), chromedp.WaitVisible(css(".ask")), chromedp.Click(css(".ask button")))
	b.until(t, has("25 dead letters discarded."))
	d.dead(t, "old-dashboard", 0)
}

// Resume by click, and the page that is shown follows by itself.
func TestAHeldWebhookIsResumedByClick(t *testing.T) {
	t.Parallel()
	d, b := ready(t, ""), open(t)
	b.run(t, chromedp.Navigate(d.server.URL+"/webhook?app=shop&id=billing"), chromedp.WaitVisible(css("#status .state.held")))
	d.mended.Store(true)
	b.run(t, chromedp.Click(css(`[data-key="resume"]`)), chromedp.WaitVisible(css(".notice.good")))
	b.until(t, has("Resumed: what waits is tried at once."))
	b.until(t, `document.querySelector('#status .state.healthy') !== null`)
	if icon := eval[string](t, b, `document.getElementById('icon').getAttribute('href')`); !strings.HasPrefix(icon, "icon-ok.svg") {
		t.Errorf("the icon is %q", icon)
	}
	b.run(t, chromedp.Click(css(`[data-key="test"]`)))
	b.until(t, has("The test was delivered: status 200"))
}

// An update keeps the focus, what is typed, open details and the scroll position.
func TestTheOverviewUpdatesItself(t *testing.T) {
	t.Parallel()
	d, b := newDemo(t, nil, ""), open(t)
	b.run(t, chromedp.EmulateViewport(1280, 300), chromedp.Navigate(d.server.URL+"/"), chromedp.WaitVisible(css("#live")))
	b.until(t, has("All is well"))
	b.run(t, chromedp.SendKeys(css("#q"), "bill"))
	eval[bool](t, b, `scrollTo(0, 120), document.querySelector('a[href*="audit-log"]').focus({preventScroll: true}), true`)
	d.emit(t, 12)
	d.held(t, "billing")
	b.until(t, has("webhooks fail"))
	b.until(t, `document.title.startsWith('(')`)
	b.until(t, `document.querySelector('tr.held a[href*="billing"]') !== null`)
	if got := eval[string](t, b, `document.activeElement.textContent + ' ' + document.querySelector('#q').value + ' ' + scrollY`); got != "audit-log bill 120" {
		t.Errorf("after an update: focus, text, scroll position are %q", got)
	}
	b.run(t, chromedp.Navigate(d.server.URL+"/webhook?app=chat&id=old-dashboard"), chromedp.Click(css("summary")))
	before := eval[string](t, b, `document.querySelector('details[open]').id`)
	d.emit(t, 1)
	b.until(t, `document.querySelector('#status').innerText.includes('26')`)
	b.until(t, `document.querySelector('#dead-letters details[open]') !== null`)
	if after := eval[string](t, b, `document.querySelector('details[open]').id`); after != before {
		t.Errorf("open is %q, was %q", after, before)
	}
}

// A page whose server is gone says so, and goes on when it is back.
func TestThePageSaysThatItIsNotUpToDate(t *testing.T) {
	t.Parallel()
	d, b := newDemo(t, nil, ""), open(t)
	b.run(t, chromedp.Navigate(d.server.URL+"/"), chromedp.WaitVisible(css("#live")))
	d.refuses.Store(true)
	b.until(t, `document.querySelector('#live.stale') !== null && `+has("Not up to date since"))
	if c := b.forgive(); !strings.Contains(c, "503") {
		t.Errorf("the browser says %q", c)
	}
	d.refuses.Store(false)
	b.until(t, `document.querySelector('#live:not(.stale)') !== null && document.getElementById('live-text').textContent === 'Live'`)
	b.forgive()
}

func TestThePageWorksWithoutJavaScript(t *testing.T) {
	t.Parallel()
	d, b := ready(t, ""), open(t)
	d.dead(t, "old-dashboard", 26)
	b.run(t, noScripts, chromedp.Navigate(d.server.URL+"/"), chromedp.WaitVisible(css("noscript a")))
	text := func() string { return get(t, b, chromedp.Text(css("body"))) }
	if got := text(); !strings.Contains(got, "Reload") || strings.Contains(got, "Live") {
		t.Errorf("the page says %q", got)
	}
	b.run(t, chromedp.SendKeys(css("#q"), "old-dash"+kb.Enter), chromedp.WaitVisible(css(`.under`)))
	b.run(t, chromedp.Click(css(`a[href*="old-dashboard"]`)), chromedp.WaitVisible(css(".letter")), chromedp.Click(css("summary")), chromedp.WaitVisible(css("details pre")))
	d.mended.Store(true)
	b.run(t, chromedp.Click(css(`[data-key="replay-all"]`)), chromedp.WaitVisible(css(".notice.good")))
	if got := text(); !strings.Contains(got, "26 dead letters replayed.") {
		t.Errorf("the page says %q", got)
	}
	d.dead(t, "old-dashboard", 0)
	b.run(t, chromedp.Navigate(d.server.URL+"/webhook?app=shop&id=billing"), chromedp.Click(css(`[data-key="resume"]`)), chromedp.WaitVisible(css(".notice.good")))
}

// What clients and receivers sent runs nowhere.
func TestNoScriptOfOthersRuns(t *testing.T) {
	t.Parallel()
	d, b := ready(t, ""), open(t)
	d.dead(t, "old-dashboard", 26)
	b.run(t, chromedp.Navigate(d.server.URL+"/webhook?app=chat&id=old-dashboard"), chromedp.WaitVisible(css(".letter")))
	eval[bool](t, b, `document.querySelectorAll('summary').forEach((s) => s.click()), true`)
	b.until(t, has("<script>document.title='owned'</script>"))
	if title := get(t, b, chromedp.Title()); title != "old-dashboard · Webhooks" {
		t.Errorf("the title is %q", title)
	}
	// The policy would stop what the templates let through.
	b.forgive()
	eval[bool](t, b, `document.body.insertAdjacentHTML('beforeend', '<img src="https://evil.example/x.png"><a style="color:red">'), true`)
	b.until(t, `document.images.length === 2`)
	for range 2 {
		b.until(t, `new Promise((r) => setTimeout(() => r(true), 100))`)
	}
	if c := b.forgive(); !strings.Contains(c, "Content Security Policy") {
		t.Errorf("the browser says %q", c)
	}
}

func TestThePageUnderAPrefix(t *testing.T) {
	t.Parallel()
	d, b := ready(t, "/admin/hooks"), open(t)
	d.mended.Store(true)
	b.run(t, chromedp.Navigate(d.server.URL+"/admin/hooks?q=bill"), chromedp.WaitVisible(css(`a[href*="billing"]`)))
	if at := get(t, b, chromedp.Location()); at != d.server.URL+"/admin/hooks/?q=bill" {
		t.Errorf("the page is at %s", at)
	}
	b.run(t, chromedp.Click(css(`a[href*="billing"]`)), chromedp.Click(css(`[data-key="resume"]`)), chromedp.WaitVisible(css(".notice.good")),
		chromedp.Click(css(".back a")), chromedp.WaitVisible(css(".webhooks")))
	if at := get(t, b, chromedp.Location()); at != d.server.URL+"/admin/hooks/" {
		t.Errorf("the page is at %s", at)
	}
	if font := eval[string](t, b, `getComputedStyle(document.querySelector('.tile')).borderTopLeftRadius`); font != "12px" {
		t.Errorf("the style sheet is not there: %q", font)
	}
}

// A narrow screen shows cards, and nothing has to be moved sideways.
func TestANarrowScreen(t *testing.T) {
	t.Parallel()
	d, b := ready(t, ""), open(t)
	for _, width := range []int64{320, 390, 700, 900, 1280, 1920} {
		b.run(t, chromedp.EmulateViewport(width, 800))
		for _, address := range []string{"/", "/webhook?app=shop&id=billing", "/webhook?app=chat&id=old-dashboard", "/discard?app=chat&id=old-dashboard"} {
			b.run(t, chromedp.Navigate(d.server.URL+address), chromedp.WaitReady(css("main")))
			if w := eval[int64](t, b, `document.documentElement.scrollWidth`); w > width {
				t.Errorf("%s is %d wide on a screen of %d: %q", address, w, width,
					eval[[]string](t, b, `[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML.slice(0, 80))`))
			}
		}
		b.run(t, chromedp.Navigate(d.server.URL+"/"))
		display := eval[string](t, b, `getComputedStyle(document.querySelector('.webhooks tbody tr')).display`)
		if cards := display == "block"; cards != (width <= 1000) {
			t.Errorf("at a width of %d a row is a %s", width, display)
		}
	}
}

func TestBothThemes(t *testing.T) {
	t.Parallel()
	d, b := ready(t, ""), open(t)
	colours := map[string]bool{}
	for _, name := range []string{"light", "dark"} {
		b.run(t, theme(name), chromedp.Navigate(d.server.URL+"/"), chromedp.WaitVisible(css(".webhooks")))
		colours[eval[string](t, b, `getComputedStyle(document.body).backgroundColor`)] = true
		// Every text that is shown has the contrast that its size needs, on whatever is behind it.
		if low := eval[[]string](t, b, contrasts); len(low) > 0 {
			t.Errorf("%s: too little contrast: %q", name, low)
		}
		b.run(t, chromedp.Navigate(d.server.URL+"/webhook?app=chat&id=old-dashboard"), chromedp.Click(css("summary")))
		if low := eval[[]string](t, b, contrasts); len(low) > 0 {
			t.Errorf("%s: too little contrast: %q", name, low)
		}
	}
	if len(colours) != 2 {
		t.Errorf("the themes have the backgrounds %v", colours)
	}
}

// contrasts lists the texts of the page whose contrast is below 4.5.
const contrasts = `(() => {
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return { rgb: m.slice(0, 3), a: m.length > 3 ? m[3] : 1 }; };
  const lum = (rgb) => { const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const back = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a === 1) return c.rgb; } return [255, 255, 255]; };
  const low = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility() || e.closest('.away, .skip, noscript')) continue;
    const a = lum(parse(getComputedStyle(e).color).rgb), b = lum(back(e));
    const c = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (c < 4.5) low.push(e.tagName + '.' + e.className + ' ' + c.toFixed(2) + ' ' + e.textContent.slice(0, 30));
  }
  return low;
})()`

// All can be reached and done with the keyboard, and the focus can be seen.
func TestTheKeyboardAlone(t *testing.T) {
	t.Parallel()
	d, b := ready(t, ""), open(t)
	d.dead(t, "old-dashboard", 26)
	d.mended.Store(true)
	b.run(t, chromedp.Navigate(d.server.URL+"/"), chromedp.WaitVisible(css(".webhooks")))
	// tab presses Tab until the focus is where an expression says.
	tab := func(is string) {
		t.Helper()
		for range 80 {
			b.run(t, chromedp.KeyEvent(kb.Tab))
			if eval[bool](t, b, `(() => { const e = document.activeElement; return `+is+`; })()`) {
				if outline := eval[string](t, b, `getComputedStyle(document.activeElement).outlineStyle`); outline == "none" {
					t.Errorf("the focus cannot be seen where %s", is)
				}
				return
			}
		}
		t.Fatalf("Tab never comes to where %s", is)
	}
	b.run(t, chromedp.KeyEvent(kb.Tab))
	if first := eval[string](t, b, `document.activeElement.textContent`); first != "Skip to the content" {
		t.Errorf("the first stop is %q", first)
	}
	tab(`e.id === 'q'`)
	b.run(t, chromedp.KeyEvent("old"), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(css(".under")))
	b.until(t, `location.search === '?q=old' && document.querySelectorAll('.webhooks tbody tr').length === 1`)
	tab(`(e.getAttribute('href') || '').includes('old-dashboard')`)
	b.run(t, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(css(".letter")))
	tab(`e.tagName === 'SUMMARY'`)
	b.run(t, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(css("details pre")))
	b.run(t, chromedp.Navigate(d.server.URL+"/webhook?app=chat&id=old-dashboard"), chromedp.WaitVisible(css(".letter")))
	tab(`(e.dataset.key || '').startsWith('replay ')`)
	b.run(t, chromedp.KeyEvent(kb.Enter))
	b.until(t, has("1 dead letter replayed."))
	d.status(t, "old-dashboard", func(s webhook.WebhookStatus) bool { return s.DeadLetters == 25 })
}

// No page can show this one in a frame, not even one of the same origin.
func TestThePageCannotBeFramed(t *testing.T) {
	t.Parallel()
	d, b := newDemo(t, nil, ""), open(t)
	frames := `<iframe src="/framing" onload="this.dataset.loaded=1"></iframe><iframe src="/" onload="this.dataset.loaded=1"></iframe>`
	b.run(t, chromedp.Navigate(d.server.URL+"/framing?frames="+url.QueryEscape(frames)))
	b.until(t, `document.querySelectorAll('iframe[data-loaded]').length === 2`)
	if got := eval[string](t, b, `[...document.querySelectorAll('iframe')].map((f) => f.contentDocument ? f.contentDocument.title : 'refused').join(' ')`); got != "framing refused" {
		t.Errorf("the frames show %q", got)
	}
	if c := b.forgive(); !strings.Contains(c, "frame") {
		t.Errorf("the browser says %q", c)
	}
}
