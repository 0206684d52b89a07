"""Paho for Python, 1.6 or 2.x, against a broker: paho_scenarios.py SCENARIO PORT [tcp|websockets]

Exit status 0: everything came as it must.
"""

import queue
import sys
import os

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE_S = 30
UNIQUE = str(os.getpid())


class Client:
    """A connected client whose messages are taken one by one."""

    def __init__(self, name, protocol=mqtt.MQTTv5, will=None):
        arguments = {"client_id": f"py-{name}-{UNIQUE}", "protocol": protocol, "transport": TRANSPORT}
        if hasattr(mqtt, "CallbackAPIVersion"):
            arguments["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
        self.messages = queue.Queue()
        self.acknowledged = queue.Queue()
        connected = queue.Queue()
        self.client = mqtt.Client(**arguments)
        self.client.on_connect = lambda *arguments: connected.put(arguments[3])
        self.client.on_message = lambda client, userdata, message: self.messages.put(message)
        self.client.on_subscribe = lambda *arguments: self.acknowledged.put(arguments[3])
        if will:
            self.client.will_set(**will)
        self.client.connect("127.0.0.1", PORT)
        self.client.loop_start()
        code = connected.get(timeout=PATIENCE_S)
        assert code == 0, f"connection refused: {code}"

    def subscribe(self, topic, qos):
        self.client.subscribe(topic, qos)
        granted = self.acknowledged.get(timeout=PATIENCE_S)[0]
        assert int(getattr(granted, "value", granted)) == qos, f"granted {granted}, not {qos}"

    def publish(self, topic, payload, qos, **more):
        self.client.publish(topic, payload, qos, **more).wait_for_publish(PATIENCE_S)

    def next(self):
        return self.messages.get(timeout=PATIENCE_S)

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()

    def die(self):
        self.client._sock_close()
        self.client.loop_stop()


def round_trip():
    for protocol in (mqtt.MQTTv311, mqtt.MQTTv5):
        root = f"py/{UNIQUE}/{int(protocol)}"
        client = Client(f"trip-{int(protocol)}", protocol)
        client.subscribe(f"{root}/#", 2)
        for qos in (0, 1, 2):
            for number in range(20):
                client.publish(f"{root}/{qos}", f"{number}", qos)
            for number in range(20):
                message = client.next()
                assert (message.payload, message.qos) == (str(number).encode(), qos), (message.payload, message.qos)
        client.publish(f"{root}/cell", "kept", 2, retain=True)
        assert not client.next().retain
        late = Client(f"late-{int(protocol)}", protocol)
        late.subscribe(f"{root}/cell", 2)
        message = late.next()
        assert message.retain and message.payload == b"kept" and message.qos == 2
        late.publish(f"{root}/cell", "", 1, retain=True)
        late.end()
        client.end()


def will():
    for protocol in (mqtt.MQTTv311, mqtt.MQTTv5):
        topic = f"py/{UNIQUE}/{int(protocol)}/will"
        watcher = Client(f"watcher-{int(protocol)}", protocol)
        watcher.subscribe(topic, 2)
        dying = Client(f"dying-{int(protocol)}", protocol, {"topic": topic, "payload": "gone", "qos": 1})
        dying.die()
        message = watcher.next()
        assert message.payload == b"gone" and message.qos == 1
        watcher.end()


def shared():
    topic = f"py/{UNIQUE}/job"
    members = [Client(f"member-{number}") for number in range(2)]
    for member in members:
        member.subscribe(f"$share/workers/{topic}", 1)
    publisher = Client("jobs")
    for number in range(40):
        publisher.publish(topic, str(number), 1)
    seen = []
    while len(seen) < 40:
        for member in members:
            try:
                seen.append(int(member.messages.get(timeout=0.05).payload))
                member.worked = True
            except queue.Empty:
                pass
    assert sorted(seen) == list(range(40))
    assert all(getattr(member, "worked", False) for member in members)
    for member in members:
        member.end()
    publisher.end()


def properties():
    topic = f"py/{UNIQUE}/properties"
    client = Client("properties")
    client.subscribe(topic, 1)
    sent = Properties(PacketTypes.PUBLISH)
    sent.ContentType = "text/plain"
    sent.ResponseTopic = f"py/{UNIQUE}/answer"
    sent.CorrelationData = b"\x00\x01"
    sent.MessageExpiryInterval = 100
    sent.PayloadFormatIndicator = 1
    sent.UserProperty = [("b", "1"), ("a", "2"), ("b", "3")]
    client.publish(topic, "x", 1, properties=sent)
    got = client.next().properties
    assert got.ContentType == "text/plain"
    assert got.ResponseTopic == f"py/{UNIQUE}/answer"
    assert got.CorrelationData == b"\x00\x01"
    assert got.PayloadFormatIndicator == 1
    assert 90 <= got.MessageExpiryInterval <= 100
    assert got.UserProperty == [("b", "1"), ("a", "2"), ("b", "3")]
    client.end()


SCENARIOS = {"round-trip": round_trip, "will": will, "shared": shared, "properties": properties}

if len(sys.argv) not in (3, 4) or sys.argv[1] not in SCENARIOS:
    sys.exit(f"usage: paho_scenarios.py {'|'.join(SCENARIOS)} PORT [tcp|websockets]")
PORT = int(sys.argv[2])
TRANSPORT = sys.argv[3] if len(sys.argv) == 4 else "tcp"
SCENARIOS[sys.argv[1]]()
