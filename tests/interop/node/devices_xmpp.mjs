// Two devices of one person with @xmpp/client: copies, and a device that nobody looks at.
// Usage: devices_xmpp.mjs SERVICE DOMAIN ONE PASSWORD TWO PASSWORD
import { client, xml } from "@xmpp/client";

const [service, domain, one, onePassword, two, twoPassword] = process.argv.slice(2);

async function login(username, password, resource) {
  const xmpp = client({ service, domain, username, password, resource });
  const came = [];
  xmpp.timeout = 60000; // of each step; two seconds are short for a busy machine
  xmpp.on("error", () => {});
  xmpp.on("stanza", (stanza) => {
    if (stanza.is("iq")) return;
    came.push(describe(stanza));
  });
  await xmpp.start();
  // What came since the last time: the answer to a ping comes behind it.
  xmpp.news = async () => {
    await ping(xmpp);
    return came.splice(0).join(", ") || "nothing";
  };
  return xmpp;
}

const set = (xmpp, child) => xmpp.iqCaller.request(xml("iq", { type: "set" }, child));
const ping = (xmpp) =>
  xmpp.iqCaller.request(xml("iq", { type: "get", to: domain }, xml("ping", "urn:xmpp:ping")));
const say = (xmpp, to, text, ...more) =>
  xmpp.send(xml("message", { type: "chat", to }, xml("body", {}, text), ...more));
const show = (xmpp, state, to) =>
  xmpp.send(xml("presence", to ? { to } : {}, xml("show", {}, state)));
const state = (xmpp, name) => xmpp.send(xml(name, { xmlns: "urn:xmpp:csi:0" }));

function describe(stanza) {
  const from = stanza.attrs.from.split("/")[1] ?? "account";
  if (stanza.is("presence")) return `${from} is ${stanza.getChildText("show") ?? "there"}`;
  for (const kind of ["sent", "received"]) {
    const copy = stanza.getChild(kind, "urn:xmpp:carbons:2");
    if (copy)
      return `${from} ${kind} ${describe(copy.getChild("forwarded").getChild("message"))}`;
  }
  return `${from} said ${stanza.getChildText("body")}`;
}

const laptop = await login(one, onePassword, "laptop");
const phone = await login(one, onePassword, "phone");
const romeo = await login(two, twoPassword, "orchard");
const person = `${one}@${domain}`;
await set(phone, xml("enable", "urn:xmpp:carbons:2"));

await say(romeo, `${person}/laptop`, "hello");
await ping(romeo);
await say(laptop, `${two}@${domain}/orchard`, "yes");
console.log("laptop:", await laptop.news());
console.log("phone:", await phone.news());
await say(laptop, `${two}@${domain}/orchard`, "hush", xml("private", "urn:xmpp:carbons:2"));
await set(laptop, xml("enable", "urn:xmpp:carbons:2"));
await set(phone, xml("disable", "urn:xmpp:carbons:2"));
await say(phone, `${two}@${domain}/orchard`, "me");
await ping(phone);
console.log("laptop:", await laptop.news());
console.log("phone:", await phone.news());
console.log("romeo:", await romeo.news());

// A ping by the phone would fetch what is held.
await state(phone, "inactive");
await ping(phone);
for (const word of ["away", "dnd", "xa"]) await show(romeo, word, `${person}/phone`);
await ping(romeo);
await state(phone, "active");
console.log("phone:", await phone.news());
await state(phone, "inactive");
await ping(phone);
for (const word of ["away", "chat"]) await show(romeo, word, `${person}/phone`);
await say(romeo, `${person}/phone`, "wake up");
await ping(romeo);
console.log("phone:", await phone.news());
for (const xmpp of [laptop, phone, romeo]) await xmpp.stop();
