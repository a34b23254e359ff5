// SPDX-License-Identifier: MIT
//
// Making elements. Whatever strangers wrote (URLs, tags) is set as text, never as markup.

export const byId = (id) => document.getElementById(id);

/** el('a', { href, class: 'x', on: { click } }, 'text', child, null) */
export function el(tag, { on = {}, class: className, data = {}, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  Object.assign(node.dataset, data);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? '' : value);
  for (const [type, fn] of Object.entries(on)) node.addEventListener(type, fn);
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** Text that is only written where it differs: a live region speaks no more than it must. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Copies, and says so on the button for a moment. */
export async function copy(button, text) {
  const was = button.dataset.label ?? button.textContent;
  button.dataset.label = was;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not allowed here';
  }
  setTimeout(() => (button.textContent = was), 1600);
}
