// Two people with stanza: publish-subscribe at a service, personal eventing between contacts.
// Usage: nodes_stanza.mjs SERVICE DOMAIN ONE PASSWORD TWO PASSWORD
import { makeClient } from "./tcp.mjs";

const [service, domain, one, onePassword, two, twoPassword] = process.argv.slice(2);
const [hers, his] = [`${one}@${domain}`, `${two}@${domain}`];
const nodes = `pubsub.${domain}`;
const MUSINGS = `musings-${one}`;

// A session that keeps what comes. It wants tunes of contacts, among others, by itself.
async function login(user, password, resource) {
  const agent = makeClient({ service, domain, user, password, resource });
  const came = [];
  let look = () => {};
  for (const name of ["available", "subscribe", "pubsub:published", "pubsub:retracted",
    "pubsub:deleted", "tune"])
    agent.on(name, (what) => {
      came.push([name, what]);
      look();
    });
  // The next event of this name that fits; what came before it is gone.
  agent.next = async (name, fits = () => true) => {
    for (;;) {
      while (came.length) {
        const [was, what] = came.shift();
        if (was === name && fits(what)) return what;
      }
      await new Promise((resolve) => (look = resolve));
    }
  };
  await new Promise((resolve, reject) => {
    agent.on("session:started", resolve);
    agent.on("auth:failed", () => reject(new Error("auth:failed")));
    agent.on("disconnected", () => reject(new Error("disconnected")));
    agent.connect();
  });
  await agent.getRoster();
  agent.updateCaps();
  agent.sendPresence({ legacyCapabilities: agent.disco.getCaps() });
  return agent;
}

const refusal = (request) =>
  request.then(() => "no error", ({ error }) =>
    [error.condition, error.pubsubError].filter(Boolean).join(" "));
const ofNode = (node) => ({ pubsub }) => pubsub.items.node === node;
const word = (name) => ({ itemType: "urn:xmpp:json:0", json: name });

const juliet = await login(one, onePassword, "balcony");
const romeo = await login(two, twoPassword, "orchard");

// ---- a node of a service ----

console.log("made:", (await juliet.createNode(nodes, MUSINGS)).node ?? MUSINGS);
console.log("again:", await refusal(juliet.createNode(nodes, MUSINGS)));
const subscription = await romeo.subscribeToNode(nodes, MUSINGS);
console.log("subscribed:", subscription.jid === his, subscription.state);
for (const id of ["one", "two", "three"]) await juliet.publish(nodes, MUSINGS, word(id), id);
for (let n = 0; n < 3; n++) {
  const { pubsub } = await romeo.next("pubsub:published", ofNode(MUSINGS));
  console.log("heard:", pubsub.items.published[0].id, pubsub.items.published[0].content.json);
}
console.log("his:", await refusal(romeo.publish(nodes, MUSINGS, word("his"), "his")));
const all = await romeo.getItems(nodes, MUSINGS);
console.log("all:", all.items.map(({ id }) => id).join(", "));
console.log("first:", (await romeo.getItem(nodes, MUSINGS, "one")).content.json);
await juliet.retract(nodes, MUSINGS, "two", true);
const gone = await romeo.next("pubsub:retracted", ofNode(MUSINGS));
console.log("retracted:", gone.pubsub.items.retracted[0]);
console.log("none:", await refusal(romeo.getItems(nodes, "nothing")));
await juliet.deleteNode(nodes, MUSINGS);
await romeo.next("pubsub:deleted");
console.log("deleted:", await refusal(romeo.getItems(nodes, MUSINGS)));

// ---- personal eventing ----

// Each has to see the other's presence: hers lets him in, his says what he wants.
romeo.subscribe(hers);
await juliet.next("subscribe");
juliet.acceptSubscription(his);
juliet.subscribe(his);
await romeo.next("subscribe");
romeo.acceptSubscription(hers);
await juliet.next("available", ({ from }) => from === `${his}/orchard`);
await juliet.publishTune({ artist: "Yes", title: "Heart of the Sunrise" });
const isHers = ({ jid }) => jid === hers;
console.log("tune:", (await romeo.next("tune", isHers)).tune.title);
const late = await login(two, twoPassword, "garden");
console.log("later:", (await late.next("tune", isHers)).tune.artist);

for (const agent of [juliet, romeo, late]) {
  agent.disconnect();
  await new Promise((resolve) => agent.on("disconnected", resolve));
}
process.exit(); // the client leaves a timer that runs for the whole timeout of a request
