// SPDX-License-Identifier: MIT
//
// Server-sent events, parsed from text as it comes (WHATWG HTML, 9.2.6): lines may end in CR, LF or
// both, and be cut anywhere.

/**
 * @param {(event: {id: string, type: string, data: string}) => void} take
 * @returns {(text: string) => void} feed it the text of the stream
 */
export function sseParser(take) {
  let rest = '';
  let afterCr = false;
  let event = { id: '', type: '', data: '' };

  function field(name, value) {
    if (name === 'data') event.data += `${value}\n`;
    else if (name === 'event') event.type = value;
    else if (name === 'id' && !value.includes('\0')) event.id = value;
  }
  function line(text) {
    if (text === '') {
      const { id, type, data } = event;
      event = { id, type: '', data: '' };
      if (data) take({ id, type: type || 'message', data: data.slice(0, -1) });
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) return; // a comment
    const value = colon < 0 ? '' : text.slice(colon + 1);
    field(colon < 0 ? text : text.slice(0, colon), value.startsWith(' ') ? value.slice(1) : value);
  }
  return (text) => {
    let from = 0;
    if (afterCr && text.startsWith('\n')) from = 1;
    if (text) afterCr = text.endsWith('\r');
    rest += text.slice(from);
    const lines = rest.split(/\r\n|\r|\n/);
    rest = lines.pop();
    for (const l of lines) line(l);
  };
}
