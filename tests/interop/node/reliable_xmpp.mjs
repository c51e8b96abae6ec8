// A connection that breaks, with @xmpp/client: the session goes on (XEP-0198), and the archive has
// all (XEP-0313). Usage: reliable_xmpp.mjs SERVICE DOMAIN ONE PASSWORD TWO PASSWORD
import { client, xml } from "@xmpp/client";

const [service, domain, one, onePassword, two, twoPassword] = process.argv.slice(2);

async function login(username, password, resource) {
  const xmpp = client({ service, domain, username, password, resource });
  xmpp.timeout = 60000;
  xmpp.came = [];
  xmpp.results = [];
  xmpp.on("error", () => {});
  xmpp.on("stanza", (stanza) => {
    const result = stanza.getChild("result", "urn:xmpp:mam:2");
    if (result)
      xmpp.results.push(result.getChild("forwarded").getChild("message").getChildText("body"));
    else if (stanza.is("message")) xmpp.came.push(stanza.getChildText("body"));
  });
  await xmpp.start();
  return xmpp;
}

const ask = (xmpp, type, child) => xmpp.iqCaller.request(xml("iq", { type }, child));
const ping = (xmpp) => ask(xmpp, "get", xml("ping", "urn:xmpp:ping"));
const say = (xmpp, to, text) =>
  xmpp.send(xml("message", { type: "chat", to }, xml("body", {}, text)));

async function until(holds) {
  while (!holds()) await new Promise((done) => setTimeout(done, 20));
}

async function page(xmpp, ...set) {
  const rsm = xml("set", "http://jabber.org/protocol/rsm", ...set);
  const answer = await ask(xmpp, "set", xml("query", "urn:xmpp:mam:2", rsm));
  const fin = answer.getChild("fin");
  return { bodies: xmpp.results.splice(0), complete: fin.attrs.complete === "true",
    last: fin.getChild("set").getChildText("last") };
}

const juliet = await login(one, onePassword, "balcony");
const romeo = await login(two, twoPassword, "orchard");
// This client does not count the answers to its IQs; there are none before the connection breaks.
await until(() => juliet.streamManagement.enabled);
await juliet.send(xml("presence"));
await say(romeo, `${one}@${domain}`, "before");
await until(() => juliet.came.length === 1);

const resumed = new Promise((resolve) => juliet.streamManagement.on("resumed", resolve));
juliet.socket.socket?.destroy?.() ?? juliet.socket.destroy();
await say(romeo, `${one}@${domain}`, "meanwhile");
await say(romeo, `${one}@${domain}`, "again");
await ping(romeo);
await resumed;
await ping(juliet);
console.log("came:", juliet.came.join(", "));

const first = await page(juliet, xml("max", {}, "2"));
console.log("first page:", first.bodies.join(", "), first.complete);
const rest = await page(juliet, xml("max", {}, "2"), xml("after", {}, first.last));
console.log("next page:", rest.bodies.join(", "), rest.complete);
const newest = await page(romeo, xml("max", {}, "1"), xml("before"));
console.log("last page:", newest.bodies.join(", "), newest.complete);

await juliet.stop();
await romeo.stop();
