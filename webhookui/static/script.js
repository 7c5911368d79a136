'use strict';
// Keeps the page up to date: fetches it again and replaces what has changed of the parts marked
// data-live. It keeps the focus, open details, the scroll position and what is typed, and rests while
// the page cannot be seen.
(() => {
  const every = 3000, live = document.getElementById('live'), text = document.getElementById('live-text');
  const key = (e) => e.dataset.key || e.id || e.getAttribute('href');
  const shown = new Map();
  const parts = (doc) => doc.querySelectorAll('[data-live][id]');
  for (const part of parts(document)) shown.set(part.id, part.innerHTML);

  const replace = (part, html) => {
    const focused = part.contains(document.activeElement) ? key(document.activeElement) : null;
    const open = [...part.querySelectorAll('details[open]')].map((d) => d.id);
    part.innerHTML = html;
    for (const d of part.querySelectorAll('details')) d.open = open.includes(d.id);
    if (focused) [...part.querySelectorAll('a, button, summary, pre')].find((e) => key(e) === focused)?.focus({ preventScroll: true });
  };

  const update = async () => {
    const address = new URL(location.href);
    address.searchParams.set('live', document.body.dataset.live);
    const answer = await fetch(address, { headers: { Accept: 'text/html' }, signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(answer.status);
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (!getSelection().isCollapsed) return; // somebody is about to copy it
    for (const part of parts(next)) {
      const here = document.getElementById(part.id);
      if (here && shown.get(part.id) !== part.innerHTML) {
        replace(here, part.innerHTML);
        shown.set(part.id, part.innerHTML);
      }
    }
    document.title = next.title;
    document.body.dataset.live = next.body.dataset.live;
    for (const [id, name] of [['icon', 'href'], ['mark', 'src']]) {
      const value = next.getElementById(id).getAttribute(name), here = document.getElementById(id);
      if (here.getAttribute(name) !== value) here.setAttribute(name, value);
    }
  };

  let running = false;
  const tick = async () => {
    if (running || document.hidden) return;
    running = true;
    try {
      await update();
      live.classList.remove('stale');
      if (text.textContent !== 'Live') text.textContent = 'Live';
      delete live.dataset.since;
    } catch {
      live.dataset.since ||= new Date().toLocaleTimeString();
      live.classList.add('stale');
      text.textContent = 'Not up to date since ' + live.dataset.since;
    }
    running = false;
  };
  live.hidden = false;
  setInterval(tick, every);
  document.addEventListener('visibilitychange', tick);
})();
