// RFC 6120 over direct TLS as a transport for stanza, whose own ones are WebSocket and BOSH.
import tls from "node:tls";
import { createClient, JXT } from "stanza";

const NAMESPACES = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";

export class Tcp {
  constructor(client, sm, stanzas) {
    Object.assign(this, { client, sm, stanzas, hasStream: false, closing: false });
  }

  connect(config) {
    const { hostname, port } = new URL(config.url);
    this.config = config;
    this.socket = tls.connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
    this.socket.setEncoding("utf8");
    this.socket.on("secureConnect", () => {
      this.sm.started = false;
      this.client.emit("connected");
      this.restart();
    });
    this.socket.on("data", (text) => this.parser.write(text));
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      if (this.client.transport === this) this.client.emit("--transport-disconnected");
    });
  }

  restart() {
    this.hasStream = false;
    this.parser = new JXT.StreamParser({
      acceptLanguages: this.config.acceptLanguages,
      lang: this.config.lang,
      registry: this.stanzas,
      rootKey: "stream",
      wrappedStream: true,
    });
    this.parser.on("data", (what) => this.came(what));
    this.parser.on("error", () => this.disconnect(false));
    this.socket.write(`<stream:stream ${NAMESPACES} version='1.0' to='${this.config.server}'>`);
  }

  came({ event, kind, stanza }) {
    if (event === "stream-start") {
      this.hasStream = true;
      this.stream = stanza;
      this.client.emit("stream:start", stanza);
    } else if (event === "stream-end") {
      this.client.emit("stream:end");
      this.disconnect();
      this.socket.end();
    } else {
      this.client.emit("stream:data", stanza, kind);
    }
  }

  async send(name, data) {
    const xml = this.stanzas.export(name, data)?.toString();
    if (xml) this.socket.write(xml);
  }

  disconnect(clean = true) {
    if (!clean || !this.hasStream) {
      this.socket.destroy();
    } else if (!this.closing) {
      this.closing = true;
      this.socket.write("</stream:stream>");
    }
  }
}

// A client that uses it, to be connected.
export function makeClient({ service, domain, user, password, resource }) {
  const client = createClient({
    jid: `${user}@${domain}`,
    password,
    resource,
    timeout: 60, // seconds, of each request
    autoReconnect: false,
    transports: { tcp: service },
    transportPreferenceOrder: ["tcp"],
  });
  client.transports.tcp = Tcp;
  // It would pick one of these without binding to the channel, of which it knows nothing.
  for (const name of ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"]) client.sasl.disable(name);
  return client;
}
