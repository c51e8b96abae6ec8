// Two devices of one person with stanza: copies, and a device that nobody looks at.
// Usage: devices_stanza.mjs SERVICE DOMAIN ONE PASSWORD TWO PASSWORD
import { makeClient } from "./tcp.mjs";

const [service, domain, one, onePassword, two, twoPassword] = process.argv.slice(2);
const resource = (jid) => jid.split("/")[1] ?? "account";

async function login(user, password, device) {
  const client = makeClient({ service, domain, user, password, resource: device });
  const came = [];
  // The library gives what is in a copy as if it had come itself.
  client.on("message", (m) => m.carbon || came.push(`${resource(m.from)} said ${m.body}`));
  client.on("message:sent", (m, copy) => copy && came.push(`${resource(m.from)} sent ${m.body}`));
  client.on("presence", (p) => came.push(`${resource(p.from)} is ${p.show ?? "there"}`));
  const ready = new Promise((resolve) => client.once("session:started", resolve));
  client.connect();
  await ready;
  // What came since the last time: the answer to a ping comes behind it.
  client.news = async () => {
    await client.ping(domain);
    return came.splice(0).join(", ") || "nothing";
  };
  return client;
}

// markActive() and markInactive() write nothing: they and the library's table of elements differ in
// the field's name (12.22.1).
const mark = (client, state) => client.send("csi", { state });
const say = (client, to, body) => client.sendMessage({ type: "chat", to, body });

const laptop = await login(one, onePassword, "laptop");
const phone = await login(one, onePassword, "phone");
const romeo = await login(two, twoPassword, "orchard");
const person = `${one}@${domain}`;
await phone.enableCarbons();

say(romeo, `${person}/laptop`, "hello");
await romeo.ping(domain);
say(laptop, `${two}@${domain}/orchard`, "yes");
console.log("laptop:", await laptop.news());
console.log("phone:", await phone.news());
await laptop.enableCarbons();
await phone.disableCarbons();
say(phone, `${two}@${domain}/orchard`, "me");
await phone.ping(domain);
console.log("laptop:", await laptop.news());
console.log("phone:", await phone.news());
console.log("romeo:", await romeo.news());

mark(phone, "inactive");
await phone.ping(domain);
for (const show of ["away", "dnd", "xa"]) romeo.sendPresence({ to: `${person}/phone`, show });
await romeo.ping(domain);
mark(phone, "active");
console.log("phone:", await phone.news());
mark(phone, "inactive");
await phone.ping(domain);
for (const show of ["away", "chat"]) romeo.sendPresence({ to: `${person}/phone`, show });
say(romeo, `${person}/phone`, "wake up");
await romeo.ping(domain);
console.log("phone:", await phone.news());
for (const client of [laptop, phone, romeo]) client.disconnect();
