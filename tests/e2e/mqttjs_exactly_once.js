// Two MQTT.js clients that keep their sessions: one publishes COUNT numbers at QoS 2, one receives them at QoS 2, while
// the broker comes and goes.   node mqttjs_exactly_once.js URL COUNT
// Prints "published N" as publishes complete. Exit status 0: every number came once, in order.
"use strict";

const mqtt = require("mqtt");

const [url, countText] = process.argv.slice(2);
const count = Number(countText);
const window = 20;
const topic = "exactly/once";

function connect(clientId) {
  const client = mqtt.connect(url, {
    protocolVersion: 5, clientId, clean: false, reconnectPeriod: 50, connectTimeout: 10000, resubscribe: false,
    properties: { sessionExpiryInterval: 3600 },
  });
  client.on("error", () => {});  // it reconnects
  return client;
}

const received = [];
const subscriber = connect("js-once-subscriber");
const publisher = connect("js-once-publisher");
let next = 0;
let completed = 0;

function finish() {
  const wrong = received.filter((number, position) => number !== position);
  if (wrong.length > 0 || received.length !== count) {
    console.error(`received ${received.length} of ${count}; out of place: ${wrong.slice(0, 10).join(" ")}`);
    process.exit(1);
  }
  process.exit(0);
}

function publishMore() {
  while (next < count && next - completed < window) {
    publisher.publish(topic, `${next}`, { qos: 2 }, (error) => {
      if (error) {
        console.error(error);
        process.exit(1);
      }
      completed += 1;
      if (completed % 50 === 0 || completed === count) console.log(`published ${completed}`);
      publishMore();
    });
    next += 1;
  }
}

subscriber.on("message", (name, payload) => {
  received.push(Number(payload.toString()));
  if (received.length === count) setTimeout(finish, 1000);  // a double would come now
});
subscriber.once("connect", () => {
  subscriber.subscribe(topic, { qos: 2 }, (error) => {
    if (error) {
      console.error(error);
      process.exit(1);
    }
    if (publisher.connected) publishMore();
    else publisher.once("connect", publishMore);
  });
});
