/** Stands between a client and an HTTP server, and does to its requests what a network and a busy server do. */
import { createServer, request } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What becomes of a request: an answer in place of the server's, a cut after so many bytes of it, or a pause before it. */
export type Fault = { status: number; body: string } | { cutAfter: number } | { waitMs: number };
export type Faults = (request: IncomingMessage) => Fault | undefined;

export class FaultyProxy {
  faults: Faults = () => undefined;
  readonly #server: Server;

  private constructor(readonly target: string) {
    this.#server = createServer((incoming, answer) => void this.#handle(incoming, answer));
  }

  static async start(target: string): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const fault = this.faults(incoming);
    if (fault && 'status' in fault) {
      incoming.resume();
      answer.writeHead(fault.status, { 'content-type': 'application/xml' }).end(fault.body);
      return;
    }
    if (fault && 'waitMs' in fault) await delay(fault.waitMs);
    const [hostname, port] = this.target.split(':');
    const { method, url, headers } = incoming;
    const outgoing = request({ hostname, port, method, path: url, headers }, (reply) => {
      answer.writeHead(reply.statusCode!, reply.headers);
      reply.pipe(answer);
    });
    outgoing.on('error', () => answer.destroy());
    incoming.on('error', () => outgoing.destroy());
    if (fault && 'cutAfter' in fault) {
      let passed = 0;
      incoming.on('data', (piece: Buffer) => {
        passed += piece.length;
        if (passed <= fault.cutAfter) return;
        outgoing.destroy();
        incoming.destroy();
      });
    }
    incoming.pipe(outgoing);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
