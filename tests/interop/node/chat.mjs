// Two people with @xmpp/client: log in, get the roster, talk, leave a message for later.
// Usage: chat.mjs SERVICE DOMAIN ONE PASSWORD TWO PASSWORD
import { client, xml } from "@xmpp/client";

const [service, domain, one, onePassword, two, twoPassword] = process.argv.slice(2);

function login(username, password) {
  const xmpp = client({ service, domain, username, password });
  xmpp.timeout = 60000; // of each step; two seconds are short for a busy machine
  xmpp.waiting = [];
  xmpp.came = [];
  xmpp.on("error", () => {});
  xmpp.on("stanza", (stanza) => {
    if (!stanza.is("message") || !stanza.getChild("body")) return;
    const next = xmpp.waiting.shift();
    if (next) next(stanza);
    else xmpp.came.push(stanza);
  });
  xmpp.next = () =>
    xmpp.came.length
      ? Promise.resolve(xmpp.came.shift())
      : new Promise((resolve) => xmpp.waiting.push(resolve));
  return xmpp;
}

const say = (xmpp, to, text) =>
  xmpp.send(xml("message", { type: "chat", to }, xml("body", {}, text)));

const juliet = login(one, onePassword);
let romeo = login(two, twoPassword);
const address = await juliet.start();
await juliet.send(xml("presence"));
await romeo.start();
await romeo.send(xml("presence"));
const roster = await juliet.iqCaller.request(
  xml("iq", { type: "get" }, xml("query", "jabber:iq:roster")),
);
console.log("roster", roster.attrs.type);

await say(juliet, `${two}@${domain}`, "hello <you>");
const heard = await romeo.next();
console.log("heard", heard.getChildText("body"), heard.attrs.from === address.toString());
await say(romeo, heard.attrs.from, "and you");
console.log("answer", (await juliet.next()).getChildText("body"));

await romeo.stop();
await say(juliet, `${two}@${domain}`, "later");
// The answer to a ping comes behind what was sent before it.
await juliet.iqCaller.request(xml("iq", { type: "get", to: domain }, xml("ping", "urn:xmpp:ping")));
romeo = login(two, twoPassword);
await romeo.start();
await romeo.send(xml("presence"));
const late = await romeo.next();
console.log("late", late.getChildText("body"), Boolean(late.getChild("delay")));
await romeo.stop();
await juliet.stop();
