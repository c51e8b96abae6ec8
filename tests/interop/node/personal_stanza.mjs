// Two people with stanza: vCards, private storage, blocking.
// Usage: personal_stanza.mjs SERVICE DOMAIN ONE PASSWORD TWO PASSWORD
import { makeClient } from "./tcp.mjs";

const [service, domain, one, onePassword, two, twoPassword] = process.argv.slice(2);

// A session that keeps what comes.
async function login(user, password, resource) {
  const agent = makeClient({ service, domain, user, password, resource });
  const came = [];
  let look = () => {};
  for (const name of ["available", "unavailable", "subscribe", "message", "message:error", "block",
    "unblock"])
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
  agent.sendPresence();
  return agent;
}

const juliet = await login(one, onePassword, "balcony");
const chamber = await login(one, onePassword, "chamber");
const romeo = await login(two, twoPassword, "orchard");
const [hers, his] = [`${one}@${domain}`, `${two}@${domain}`];
const isHers = ({ from }) => from === `${hers}/balcony`;

romeo.subscribe(hers);
await juliet.next("subscribe");
juliet.acceptSubscription(his);
await romeo.next("available", isHers);

await juliet.publishVCard({ fullName: "Juliet <Capulet> & co", name: { given: "Juliet" } });
const card = await romeo.getVCard(hers);
console.log("vcard", card.fullName, card.name.given);

await juliet.setBookmarks([{ jid: "council@rooms.example.org", nick: "j", autoJoin: true }]);
for (const room of await chamber.getBookmarks()) console.log("room", room.jid, room.autoJoin);

console.log("list", JSON.stringify((await chamber.getBlocked()).jids ?? []));
await juliet.block(his);
console.log("push", (await chamber.next("block")).jids.join());
await romeo.next("unavailable", isHers);
console.log("blocked", (await chamber.getBlocked()).jids.join());
juliet.sendMessage({ to: his, type: "chat", body: "out" });
console.log("out", (await juliet.next("message:error")).error.condition);
romeo.sendMessage({ to: hers, type: "chat", body: "in" });
console.log("in", (await romeo.next("message:error")).error.condition);

await juliet.unblock(his);
console.log("push", (await chamber.next("unblock")).jids.join());
await romeo.next("available", isHers);
romeo.sendMessage({ to: hers, type: "chat", body: "again" });
console.log("heard", (await juliet.next("message", ({ type }) => type === "chat")).body);

for (const agent of [juliet, chamber, romeo]) {
  agent.disconnect();
  await new Promise((resolve) => agent.on("disconnected", resolve));
}
