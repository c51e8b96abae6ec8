// A room with stanza: made, configured, talked in, moderated, its archive paged.
// Usage: rooms_stanza.mjs SERVICE DOMAIN ONE PASSWORD TWO PASSWORD
import { makeClient } from "./tcp.mjs";

const [service, domain, one, onePassword, two, twoPassword] = process.argv.slice(2);
const room = `heath-${one}@rooms.${domain}`;
const once = (client, name) => new Promise((resolve) => client.once(name, resolve));
const nick = (jid) => jid.split("/")[1];

async function login(user, password, resource) {
  const client = makeClient({ service, domain, user, password, resource });
  client.came = [];
  client.on("groupchat", (m) => m.body && client.came.push(`${nick(m.from)}: ${m.body}`));
  client.on("muc:topic", (m) => m.topic && client.came.push(`topic ${m.topic}`));
  client.on("muc:invite", (m) => client.came.push(`invited to ${m.room.split("@")[0]}`));
  client.on("muc:leave", (p) => client.came.push(`${nick(p.from)} left ${p.muc.statusCodes}`));
  const ready = once(client, "session:started");
  client.connect();
  await ready;
  client.sendPresence();
  await client.ping(domain);
  return client;
}

// What comes by way of a room is there when the answer to a ping of the room is.
async function news(client) {
  await client.ping(room);
  await client.ping(domain);
  return client.came.splice(0).join(", ") || "nothing";
}

const say = (client, body) => client.sendMessage({ type: "groupchat", to: room, body });

const crone = await login(one, onePassword, "desktop");
const hag = await login(two, twoPassword, "pda");

const own = await crone.joinRoom(room, "firstwitch");
console.log("made:", own.muc.statusCodes.join(" "), own.muc.affiliation, own.muc.role);
const form = await crone.getRoomConfig(room);
console.log("form:", form.fields.some((f) => f.name === "muc#roomconfig_whois"));
const set = (name, value) => ({ name: `muc#roomconfig_${name}`, value });
await crone.configureRoom(room, {
  fields: [
    { name: "FORM_TYPE", type: "hidden", value: "http://jabber.org/protocol/muc#roomconfig" },
    set("persistentroom", true),
    set("moderatedroom", true),
    set("membersonly", true),
  ],
});
await hag.joinRoom(room, "thirdwitch").catch((p) => console.log("refused:", p.error.condition));
await crone.setRoomAffiliation(room, `${two}@${domain}`, "member");
crone.invite(room, [{ to: `${two}@${domain}`, reason: "come" }]);
await crone.ping(room);
console.log("she heard:", await news(hag));
await hag.joinRoom(room, "thirdwitch");
crone.setSubject(room, "Fire Burn and Cauldron Bubble!");
for (const n of [1, 2, 3]) say(n % 2 ? crone : hag, `word ${n}`), await news(n % 2 ? crone : hag);
await crone.setRoomRole(room, "thirdwitch", "visitor");
const error = once(hag, "message:error");
say(hag, "may I?");
console.log("a visitor:", (await error).error.condition);
console.log("the visitors:", (await crone.getRoomMembers(room, { role: "visitor" })).muc.users
  .map((u) => u.nick).join(" "));

async function page(paging) {
  const { results, complete } = await hag.searchHistory(room, { paging });
  const bodies = results.map(({ item }) => item.message.body).filter(Boolean).join(", ");
  console.log("page:", bodies, complete ?? false);
}
await page({ max: 10 });
const gone = once(hag, "muc:leave");
await crone.kick(room, "thirdwitch", "enough");
await gone;
console.log("she left:", hag.came.pop());
await crone.destroyRoom(room, { reason: "done" });
await hag.joinRoom(room, "thirdwitch").then((p) => console.log("anew:", p.muc.statusCodes.join(" ")));
for (const client of [crone, hag]) client.disconnect();
