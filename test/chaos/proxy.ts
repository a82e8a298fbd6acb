/** A TCP proxy between the workers and PostgreSQL, which makes the network bad: slow, and cut at bad moments. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { LOOPBACK } from '../../src/dev/ports.js';

/** When to cut: after so many more bytes of requests, or when a commit has gone out and its answer has not come. */
export type Cut = { readonly afterBytes: number } | 'before the answer to a commit';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  cut: Cut | undefined;
  /** A commit has gone out, and its answer is not to arrive. */
  isMute: boolean;
}

export class Proxy {
  static async start(target: { host: string; port: number }): Promise<Proxy> {
    const server = createServer();
    const proxy = new Proxy(server, target);
    server.on('connection', (client) => proxy.#link(client)).listen(0, LOOPBACK);
    await once(server, 'listening');
    return proxy;
  }

  /** How long each piece of data waits, in both directions. */
  delayMs = 0;
  /** How many connections were cut. */
  cuts = 0;
  readonly #links = new Set<Link>();

  private constructor(
    readonly server: Server,
    readonly target: { host: string; port: number },
  ) {}

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Cuts the connections that there are now, each once. Answers how to leave alone those that were not cut yet. */
  armCuts(cut: Cut): () => void {
    const armed = [...this.#links];
    for (const link of armed) link.cut = cut;
    return () => armed.forEach((link) => (link.cut = undefined));
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const link of this.#links) destroy(link);
    await closed;
  }

  #link(client: Socket): void {
    const server = connect(this.target.port, this.target.host);
    const link: Link = { client, server, cut: undefined, isMute: false };
    this.#links.add(link);
    for (const socket of [client, server]) {
      socket.setNoDelay();
      // PostgreSQL is stopped on purpose; the other side is to see a broken connection, too.
      socket.on('error', () => destroy(link));
      socket.on('close', () => {
        destroy(link);
        this.#links.delete(link);
      });
    }
    this.#forward(client, (data) => this.#request(link, data));
    this.#forward(server, async (data) => void (link.isMute ? this.#cut(link) : client.write(data)));
  }

  /** One piece after the other, each as late as it has to be. */
  #forward(from: Socket, write: (data: Buffer) => Promise<void>): void {
    let before = Promise.resolve();
    from.on('data', (data) => {
      before = before.then(async () => {
        if (this.delayMs > 0) await delay(this.delayMs);
        if (!from.destroyed) await write(data);
      });
    });
  }

  async #request(link: Link, data: Buffer): Promise<void> {
    const { cut, server } = link;
    if (cut === 'before the answer to a commit') {
      // The answer itself tells that the database has committed; then it is time to cut.
      link.isMute ||= data.includes('COMMIT');
      server.write(data);
    } else if (cut && data.length >= cut.afterBytes) {
      await new Promise((resolve) => server.write(data.subarray(0, cut.afterBytes), resolve));
      this.#cut(link);
    } else {
      if (cut) link.cut = { afterBytes: cut.afterBytes - data.length };
      server.write(data);
    }
  }

  #cut(link: Link): void {
    this.cuts++;
    destroy(link);
  }
}

function destroy({ client, server }: Link): void {
  client.destroy();
  server.destroy();
}
