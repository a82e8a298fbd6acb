/** Stands between a client and a server, which is away while the proxy is cut, and may fall silent. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export class TcpProxy {
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  #unanswered = 0;

  private constructor(readonly target: string) {}

  static async start(target: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await proxy.mend();
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async mend(): Promise<void> {
    // What is silent does not answer the end of a connection either.
    const server = createServer({ allowHalfOpen: true }, (incoming) => {
      const [host, port] = this.target.split(':');
      const outgoing = connect(Number(port), host);
      incoming.pipe(outgoing).pipe(incoming);
      for (const socket of [incoming, outgoing]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          incoming.destroy();
          outgoing.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Ends all connections, and takes no new ones until it is mended. */
  async cut(): Promise<void> {
    const closed = new Promise((resolve) => this.#server!.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Nothing comes through the connections that are open any more, and nobody is told. Those that come later are well. */
  silence(): void {
    this.#unanswered = 0;
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.on('data', () => this.#unanswered++).resume();
    }
  }

  /** How often somebody has said something since then. */
  get unanswered(): number {
    return this.#unanswered;
  }

  async stop(): Promise<void> {
    await this.cut();
  }
}
