// MQTT.js against a daemon: node mqttjs_roundtrip.js PORT
// For MQTT 3.1.1 and 5.0, at QoS 0 and 1, retained or not: what is published comes back as it went. Exit status 0: it did.
"use strict";

const mqtt = require("mqtt");
const assert = require("node:assert");

const url = `mqtt://127.0.0.1:${process.argv[2]}`;

async function roundTrip(protocolVersion) {
  const client = await mqtt.connectAsync(url, {
    protocolVersion,
    clientId: `js-${protocolVersion}`,
    reconnectPeriod: 0,
    connectTimeout: 30000,
  });
  const waiting = [];
  client.on("message", (topic, payload, packet) => {
    const next = waiting.shift();
    if (next) next({ topic, payload, packet });
  });
  const received = () => new Promise((resolve) => waiting.push(resolve));

  const granted = await client.subscribeAsync(`js/${protocolVersion}/#`, { qos: 1 });
  assert.strictEqual(granted[0].qos, 1);

  for (const qos of [0, 1]) {
    const payload = Buffer.from(`at QoS ${qos}, with bytes \u0000 \u00e4`, "latin1");
    const arrival = received();
    const properties = protocolVersion === 5
      ? { contentType: "text/plain", userProperties: { unit: "C" }, correlationData: Buffer.from([1, 0, 2]) }
      : undefined;
    await client.publishAsync(`js/${protocolVersion}/qos${qos}`, payload, { qos, properties });
    const message = await arrival;
    assert.strictEqual(message.topic, `js/${protocolVersion}/qos${qos}`);
    assert.deepStrictEqual(message.payload, payload);
    assert.strictEqual(message.packet.qos, qos);
    assert.strictEqual(message.packet.retain, false);
    if (protocolVersion === 5) {
      assert.strictEqual(message.packet.properties.contentType, "text/plain");
      assert.strictEqual(message.packet.properties.userProperties.unit, "C");
      assert.deepStrictEqual(message.packet.properties.correlationData, Buffer.from([1, 0, 2]));
    }
  }

  const live = received();
  await client.publishAsync(`js/${protocolVersion}/cell`, "kept", { qos: 1, retain: true });
  assert.strictEqual((await live).packet.retain, false);
  await client.unsubscribeAsync(`js/${protocolVersion}/#`);
  const kept = received();
  await client.subscribeAsync(`js/${protocolVersion}/cell`, { qos: 1 });
  const message = await kept;
  assert.strictEqual(message.payload.toString(), "kept");
  assert.strictEqual(message.packet.retain, true);
  await client.publishAsync(`js/${protocolVersion}/cell`, "", { qos: 1, retain: true });
  await client.endAsync();
}

(async () => {
  for (const protocolVersion of [4, 5]) {
    await roundTrip(protocolVersion);
    console.log(`protocol ${protocolVersion}: done`);
  }
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
