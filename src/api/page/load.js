// SPDX-License-Identifier: MIT
//
// A part of the page that did not arrive, because the network changed or the server went while it was loaded,
// leaves the whole dead and silent: it is loaded again, a few times, and then says so. No module, so that it is
// there before them.
(() => {
  const COUNT = 'bulb-loads', MOST = 3;
  let failed = false;
  addEventListener('error', ({ target }) => {
    if (failed || !(target instanceof HTMLScriptElement || target.rel === 'stylesheet')) return;
    failed = true;
    const tries = Number(sessionStorage.getItem(COUNT) ?? 0) + 1;
    if (tries <= MOST) {
      sessionStorage.setItem(COUNT, tries);
      setTimeout(() => location.reload(), 1000 * tries);
      return;
    }
    sessionStorage.removeItem(COUNT);
    const text = 'A part of this page did not arrive. Load it again.';
    const say = () => (document.getElementById('refused').textContent = text);
    if (document.readyState === 'loading') addEventListener('DOMContentLoaded', say);
    else say();
  }, true);
  addEventListener('load', () => failed || sessionStorage.removeItem(COUNT));
})();
