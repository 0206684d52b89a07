// MQTT.js against a broker: node mqttjs_scenarios.js SCENARIO URL [KEY=VALUE...]
// Each scenario ends with exit status 0 when everything came as it must. URL: mqtt://, mqtts://, ws:// or wss://.
// Keys: ca, cert and key (files), user and password, version (4 or 5), delay (of the will, in seconds).
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const mqtt = require("mqtt");

const [scenario, url, ...pairs] = process.argv.slice(2);
const given = Object.fromEntries(pairs.map((pair) => pair.split("=")));
const version = Number(given.version || 5);
const unique = `${process.pid}`;

function options(more) {
  const tls = {};
  for (const key of ["ca", "cert", "key"]) if (given[key]) tls[key] = fs.readFileSync(given[key]);
  const proof = given.user ? { username: given.user, password: given.password } : {};
  return { protocolVersion: version, reconnectPeriod: 0, connectTimeout: 30000, ...tls, ...proof, wsOptions: tls, ...more };
}

// A client whose messages are taken one by one with next(), which waits.
async function connect(more) {
  const client = await mqtt.connectAsync(url, options(more));
  const arrived = [];
  const waiting = [];
  client.on("message", (topic, payload, packet) => {
    const message = { topic, payload, packet };
    const next = waiting.shift();
    if (next) next(message);
    else arrived.push(message);
  });
  client.next = () => new Promise((resolve) => {
    if (arrived.length > 0) resolve(arrived.shift());
    else waiting.push(resolve);
  });
  return client;
}

async function roundTrip(protocolVersion) {
  const root = `js/${unique}/${protocolVersion}`;
  const client = await connect({ protocolVersion, clientId: `js-${unique}-${protocolVersion}` });
  const granted = await client.subscribeAsync(`${root}/#`, { qos: 2 });
  assert.strictEqual(granted[0].qos, 2);
  for (const qos of [0, 1, 2]) {
    const payload = Buffer.from(`at QoS ${qos}, with bytes \u0000 \u00e4`, "latin1");
    const properties = protocolVersion === 5
      ? { contentType: "text/plain", userProperties: { unit: "C" }, correlationData: Buffer.from([1, 0, 2]) }
      : undefined;
    await client.publishAsync(`${root}/qos${qos}`, payload, { qos, properties });
    const message = await client.next();
    assert.strictEqual(message.topic, `${root}/qos${qos}`);
    assert.deepStrictEqual(message.payload, payload);
    assert.strictEqual(message.packet.qos, qos);
    assert.strictEqual(message.packet.retain, false);
    if (protocolVersion === 5) {
      assert.strictEqual(message.packet.properties.contentType, "text/plain");
      assert.strictEqual(message.packet.properties.userProperties.unit, "C");
      assert.deepStrictEqual(message.packet.properties.correlationData, Buffer.from([1, 0, 2]));
    }
  }
  await client.publishAsync(`${root}/cell`, "kept", { qos: 2, retain: true });
  assert.strictEqual((await client.next()).packet.retain, false);
  await client.unsubscribeAsync(`${root}/#`);
  await client.subscribeAsync(`${root}/cell`, { qos: 1 });
  const message = await client.next();
  assert.strictEqual(message.payload.toString(), "kept");
  assert.strictEqual(message.packet.retain, true);
  await client.publishAsync(`${root}/cell`, "", { qos: 1, retain: true });
  await client.endAsync();
}

// Payloads of 1 B to 1 MB, one after the other, so that frames of every length kind occur.
async function sizes() {
  const client = await connect({ clientId: `js-sizes-${unique}` });
  await client.subscribeAsync(`js/${unique}/sizes`, { qos: 1 });
  for (const size of [1, 125, 126, 127, 128, 16383, 65535, 65536, 200000, 1000000]) {
    const payload = Buffer.alloc(size, size % 251);
    await client.publishAsync(`js/${unique}/sizes`, payload, { qos: 1 });
    const message = await client.next();
    assert.ok(message.payload.equals(payload), `${size} bytes`);
  }
  await client.endAsync();
}

async function will() {
  const watcher = await connect({ clientId: `js-watcher-${unique}` });
  await watcher.subscribeAsync(`js/${unique}/will`, { qos: 2 });
  const dying = await connect({
    clientId: `js-dying-${unique}`,
    will: { topic: `js/${unique}/will`, payload: Buffer.from("gone"), qos: 2, retain: false,
      properties: { contentType: "text/plain", userProperties: { why: "cable" } } },
  });
  dying.on("error", () => {});
  dying.stream.destroy();
  const message = await watcher.next();
  assert.strictEqual(message.payload.toString(), "gone");
  assert.strictEqual(message.packet.qos, 2);
  assert.strictEqual(message.packet.properties.contentType, "text/plain");
  assert.strictEqual(message.packet.properties.userProperties.why, "cable");
  await watcher.endAsync();
}

async function shared() {
  const members = [];
  const seen = new Map();
  let missing = 60;
  let done;
  const all = new Promise((resolve) => { done = resolve; });
  for (let i = 0; i < 3; i += 1) {
    const member = await connect({ clientId: `js-member-${i}-${unique}` });
    member.count = 0;
    member.on("message", (topic, payload) => {
      member.count += 1;
      seen.set(payload.toString(), (seen.get(payload.toString()) || 0) + 1);
      missing -= 1;
      if (missing === 0) done();
    });
    const granted = await member.subscribeAsync(`$share/workers/js/${unique}/job`, { qos: 1 });
    assert.strictEqual(granted[0].qos, 1);
    members.push(member);
  }
  const publisher = await connect({ clientId: `js-jobs-${unique}` });
  for (let i = 0; i < 60; i += 1) await publisher.publishAsync(`js/${unique}/job`, `${i}`, { qos: 1 });
  await all;
  assert.strictEqual(seen.size, 60);
  for (const member of members) {
    assert.ok(member.count > 0, "each member works");
    await member.endAsync();
  }
  await publisher.endAsync();
}

async function requestResponse() {
  const server = await connect({ clientId: `js-server-${unique}` });
  await server.subscribeAsync(`js/${unique}/ask`, { qos: 1 });
  const client = await connect({ clientId: `js-asking-${unique}` });
  await client.subscribeAsync(`js/${unique}/answer`, { qos: 1 });
  await client.publishAsync(`js/${unique}/ask`, "how warm?", { qos: 1,
    properties: { responseTopic: `js/${unique}/answer`, correlationData: Buffer.from("7") } });
  const request = await server.next();
  await server.publishAsync(request.packet.properties.responseTopic, "21", { qos: 1,
    properties: { correlationData: request.packet.properties.correlationData } });
  const answer = await client.next();
  assert.strictEqual(answer.payload.toString(), "21");
  assert.strictEqual(answer.packet.properties.correlationData.toString(), "7");
  await client.endAsync();
  await server.endAsync();
}

// Aliases both ways: MQTT.js sends them by itself, and resolves what it receives.
async function aliases() {
  const client = await connect({ clientId: `js-alias-${unique}`, autoUseTopicAlias: true, autoAssignTopicAlias: true,
    properties: { topicAliasMaximum: 5 } });
  await client.subscribeAsync(`js/${unique}/alias/+`, { qos: 1 });
  for (let i = 0; i < 40; i += 1) {
    await client.publishAsync(`js/${unique}/alias/${i % 8}`, `${i}`, { qos: 1 });
    const message = await client.next();
    assert.strictEqual(message.topic, `js/${unique}/alias/${i % 8}`);
    assert.strictEqual(message.payload.toString(), `${i}`);
  }
  await client.endAsync();
}

// A session that lasts, and what was published while it was away: numbers, at QoS 1 and 2 in turns.
const lasting = { clientId: "lasting", properties: version === 5 ? { sessionExpiryInterval: 3600 } : undefined };

async function sessionBegin() {
  const client = await connect({ ...lasting, clean: version === 5 });
  await client.subscribeAsync("queue", { qos: 2 });
  await client.endAsync();
}

async function sessionResume() {
  // Messages may come with the CONNACK: nobody may look away meanwhile.
  const client = mqtt.connect(url, options({ ...lasting, clean: false }));
  const arrived = [];
  client.on("message", (topic, payload, packet) => arrived.push({ number: Number(payload.toString()), qos: packet.qos }));
  const connack = await new Promise((resolve, reject) => {
    client.once("connect", resolve);
    client.once("error", reject);
  });
  assert.ok(connack.sessionPresent);
  while (arrived.length < 12) await new Promise((resolve) => { client.once("message", resolve); });
  await new Promise((resolve) => { setTimeout(resolve, 300); });  // a double would come now
  // In order at each QoS: a message of QoS 2 may be handed on when it is released, after those of QoS 1 that follow it.
  const at = (qos) => arrived.filter((message) => message.qos === qos).map((message) => message.number);
  assert.deepStrictEqual([at(1), at(2)], [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]);
  await client.endAsync();
}

// Connects, says so, and waits for its end.
async function dying() {
  const delay = Number(given.delay || 0);
  const v5 = version === 5;
  await connect({
    clientId: "dying",
    properties: v5 && delay > 0 ? { sessionExpiryInterval: 3600 } : undefined,
    will: { topic: "will", payload: Buffer.from("gone"), qos: 2, retain: false,
      properties: v5 && delay > 0 ? { willDelayInterval: delay } : undefined },
  });
  console.log("connected");
  await new Promise(() => {});
}

const scenarios = {
  "round-trip": async () => { for (const version of [4, 5]) await roundTrip(version); },
  sizes, will, shared, "request-response": requestResponse, aliases,
  "session-begin": sessionBegin, "session-resume": sessionResume, dying,
};

if (!scenarios[scenario] || !url) {
  console.error(`usage: node mqttjs_scenarios.js ${Object.keys(scenarios).join("|")} URL [KEY=VALUE...]`);
  process.exit(2);
}
scenarios[scenario]().then(() => process.exit(0)).catch((error) => {
  console.error(error);
  process.exit(1);
});
