// Two people with @xmpp/client: vCards and blocking, for which it has no functions of its own.
// Usage: personal_xmpp.mjs SERVICE DOMAIN ONE PASSWORD TWO PASSWORD
import { client, xml } from "@xmpp/client";

const [service, domain, one, onePassword, two, twoPassword] = process.argv.slice(2);
const [hers, his] = [`${one}@${domain}`, `${two}@${domain}`];
const BLOCKING = "urn:xmpp:blocking";

async function login(username, password, resource) {
  const xmpp = client({ service, domain, username, password, resource });
  const came = [];
  let look = () => {};
  xmpp.timeout = 60000; // of each step; two seconds are short for a busy machine
  xmpp.on("error", () => {});
  xmpp.on("stanza", (stanza) => {
    came.push(stanza);
    look();
  });
  // The next that fits; what came before it is gone.
  xmpp.next = async (fits) => {
    for (;;) {
      while (came.length) {
        const stanza = came.shift();
        if (fits(stanza)) return stanza;
      }
      await new Promise((resolve) => (look = resolve));
    }
  };
  for (const name of ["block", "unblock"]) xmpp.iqCallee.set(BLOCKING, name, () => true);
  await xmpp.start();
  await xmpp.iqCaller.get(xml("query", "jabber:iq:roster"));
  await xmpp.send(xml("presence"));
  return xmpp;
}

const say = (xmpp, to, text) =>
  xmpp.send(xml("message", { type: "chat", to }, xml("body", {}, text)));
const isChat = (stanza) => stanza.is("message") && stanza.attrs.type === "chat";
const isError = (stanza) => stanza.is("message") && stanza.attrs.type === "error";
const isHers = (stanza) => stanza.is("presence") && stanza.attrs.from === `${hers}/balcony`;
const isPush = (stanza) =>
  stanza.attrs.type === "set" && stanza.getChildElements()[0].attrs.xmlns === BLOCKING;
const condition = (answer) =>
  answer.getChild("error").getChildElements().map(({ name }) => name)
    .filter((name) => name !== "text").join(" ");
const refusal = (request) => request.then(() => "no error", (error) => error.condition);
const jids = (list) => list.getChildren("item").map((item) => item.attrs.jid).sort().join(" ");
const items = (...which) => which.map((jid) => xml("item", { jid }));

async function list(xmpp) {
  const found = await xmpp.iqCaller.get(xml("blocklist", BLOCKING));
  console.log("list:", jids(found) || "nothing");
}

async function pushed(...sessions) {
  const came = [];
  for (const xmpp of sessions) {
    const push = await xmpp.next(isPush);
    const [what] = push.getChildElements();
    came.push(`${what.name} ${jids(what) || "all"}`);
  }
  console.log("pushed:", came.join(", "));
}

const juliet = await login(one, onePassword, "balcony");
const chamber = await login(one, onePassword, "chamber");
const romeo = await login(two, twoPassword, "orchard");

await juliet.iqCaller.set(
  xml("vCard", "vcard-temp", xml("FN", {}, "Juliet <Capulet> & co"),
    xml("PHOTO", {}, xml("TYPE", {}, "image/png"), xml("BINVAL", {}, "iVBO"))));
const card = await romeo.iqCaller.get(xml("vCard", "vcard-temp"), hers);
const photo = card.getChild("PHOTO");
console.log("vcard", card.getChildText("FN"), photo.getChildText("TYPE"),
  Buffer.from(photo.getChildText("BINVAL"), "base64").length);
console.log("not his:", await refusal(romeo.iqCaller.set(card, hers)));

await romeo.send(xml("presence", { type: "subscribe", to: hers }));
await juliet.next((stanza) => stanza.attrs.type === "subscribe");
await juliet.send(xml("presence", { type: "subscribed", to: his }));
await romeo.next(isHers);

// Pushes go to those who have asked for the list.
for (const xmpp of [juliet, chamber]) await list(xmpp);
await juliet.iqCaller.set(xml("block", BLOCKING, ...items(his, "spam.example")));
await pushed(juliet, chamber);
console.log("he sees:", (await romeo.next(isHers)).attrs.type);
await list(chamber);
await say(juliet, his, "out");
console.log("out:", condition(await juliet.next(isError)));
await say(romeo, hers, "in");
console.log("in:", condition(await romeo.next(isError)));
const ping = xml("ping", "urn:xmpp:ping");
console.log("ping:", await refusal(romeo.iqCaller.get(ping, `${hers}/balcony`)));

await chamber.iqCaller.set(xml("unblock", BLOCKING, ...items(his)));
await pushed(juliet, chamber);
console.log("he sees:", (await romeo.next(isHers)).attrs.type ?? "available");
await say(romeo, hers, "again");
console.log("she hears:", (await juliet.next(isChat)).getChildText("body"));
await chamber.iqCaller.set(xml("unblock", BLOCKING));
await pushed(juliet, chamber);
await list(juliet);
for (const xmpp of [juliet, chamber, romeo]) await xmpp.stop();
