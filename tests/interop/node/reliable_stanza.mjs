// A connection that breaks, with stanza: the session goes on (XEP-0198), and the archive has all
// (XEP-0313). Usage: reliable_stanza.mjs SERVICE DOMAIN ONE PASSWORD TWO PASSWORD
import { makeClient } from "./tcp.mjs";

const [service, domain, one, onePassword, two, twoPassword] = process.argv.slice(2);
const once = (client, name) => new Promise((resolve) => client.once(name, resolve));

async function login(user, password, resource) {
  const client = makeClient({ service, domain, user, password, resource });
  client.came = [];
  client.on("message", (message) => message.body && client.came.push(message.body));
  const ready = once(client, "session:started");
  client.connect();
  await ready;
  client.sendPresence();
  await client.ping(domain);
  return client;
}

const say = (client, to, body) => client.sendMessage({ type: "chat", to, body });

// The answer to a ping comes behind what was sent before it.
async function news(client) {
  await client.ping(domain);
  return client.came.splice(0).join(", ") || "nothing";
}

const juliet = await login(one, onePassword, "balcony");
const romeo = await login(two, twoPassword, "orchard");
const [hers, his] = [`${one}@${domain}`, `${two}@${domain}`];

say(romeo, hers, "before");
await romeo.ping(domain);
console.log("she heard:", await news(juliet));

for (const round of ["one", "two"]) {
  const gone = once(juliet, "disconnected");
  juliet.transport.disconnect(false);
  await gone;
  say(romeo, hers, `meanwhile ${round}`);
  say(romeo, hers, `again ${round}`);
  await romeo.ping(domain);
  // The client keeps this until it is back.
  const kept = once(juliet, "stanza:hibernated");
  say(juliet, his, `written offline ${round}`);
  await kept;
  const back = once(juliet, "stream:management:resumed");
  juliet.once("session:started", () => console.log("a new session"));
  juliet.connect();
  await back;
  console.log("she heard:", await news(juliet));
  console.log("he heard:", await news(romeo));
}

async function page(paging) {
  const { results, complete, paging: bounds } = await juliet.searchHistory({ with: his, paging });
  const bodies = results.map(({ item }) => item.message.body).join(", ");
  console.log("page:", bodies, complete ?? false);
  return bounds;
}

// The client writes no element that is empty, and so cannot ask for the last page. It goes back
// from the first message of the page that it came to.
let bounds = await page({ max: 3 });
for (let n = 0; n < 2; n++) bounds = await page({ max: 3, after: bounds.last });
for (let n = 0; n < 2; n++) bounds = await page({ max: 3, before: bounds.first });
for (const client of [juliet, romeo]) client.disconnect();
