// A reader's WebSocket (npm's ws) that holds what it receives to docs/asyncapi.yaml: a frame that is none of its
// messages fails the test that is running.
import { WebSocket as Client } from 'ws';
import { checkEvent, checkMessage } from './api_documents.mjs';

export function checkFrame(message) {
  if ('op' in message) checkMessage('answer', message);
  else if (message.type === 'heartbeat') checkMessage('heartbeat', message);
  else checkEvent(message);
}

export class WebSocket extends Client {
  constructor(...args) {
    super(...args);
    this.on('message', (text) => checkFrame(JSON.parse(text)));
  }
}
