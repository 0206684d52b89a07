"""Paho for Python, 1.6 or 2.x, against a broker: paho_scenarios.py SCENARIO PORT [KEY=VALUE...]

Keys: transport (tcp or websockets), ca, cert and key (files), user and password, version (4 or 5), delay (of the will,
in seconds). Exit status 0: everything came as it must.
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

    def __init__(self, name, protocol=mqtt.MQTTv5, will=None, client_id=None, clean=True, expiry_s=None):
        arguments = {
            "client_id": client_id or f"py-{name}-{UNIQUE}",
            "protocol": protocol,
            "transport": GIVEN.get("transport", "tcp"),
        }
        if protocol != mqtt.MQTTv5:
            arguments["clean_session"] = expiry_s is None
        if hasattr(mqtt, "CallbackAPIVersion"):
            arguments["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
        self.messages = queue.Queue()
        self.acknowledged = queue.Queue()
        connected = queue.Queue()
        self.client = mqtt.Client(**arguments)
        self.client.on_connect = lambda *arguments: connected.put((arguments[3], session_present(arguments[2])))
        self.client.on_message = lambda client, userdata, message: self.messages.put(message)
        self.client.on_subscribe = lambda *arguments: self.acknowledged.put(arguments[3])
        if will:
            self.client.will_set(**will)
        if "ca" in GIVEN:
            self.client.tls_set(GIVEN["ca"], GIVEN.get("cert"), GIVEN.get("key"))
        if "user" in GIVEN:
            self.client.username_pw_set(GIVEN["user"], GIVEN["password"])
        more = {}
        if protocol == mqtt.MQTTv5:
            more = {"clean_start": clean, "properties": Properties(PacketTypes.CONNECT)}
            if expiry_s is not None:
                more["properties"].SessionExpiryInterval = expiry_s
        self.client.connect("127.0.0.1", PORT, **more)
        self.client.loop_start()
        code, self.session_present = connected.get(timeout=PATIENCE_S)
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


# Paho 1.6 gives a dictionary, 2.x an object.
def session_present(flags):
    return bool(flags["session present"] if isinstance(flags, dict) else flags.session_present)


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


def session_begin():
    client = Client("lasting", PROTOCOL, client_id="lasting", expiry_s=3600)
    assert not client.session_present
    client.subscribe("queue", 2)
    client.end()


def session_resume():
    """What was published while the session was away: numbers, at QoS 1 and 2 in turns.

    In order at each QoS: Paho hands a message of QoS 2 on when it is released, so those of QoS 1 may overtake it.
    """
    client = Client("lasting", PROTOCOL, client_id="lasting", clean=False, expiry_s=3600)
    assert client.session_present
    seen = {1: [], 2: []}
    for _ in range(12):
        message = client.next()
        seen[message.qos].append(int(message.payload))
    assert seen == {1: [0, 2, 4, 6, 8, 10], 2: [1, 3, 5, 7, 9, 11]}, seen
    try:
        assert False, f"{client.messages.get(timeout=0.3).payload} came twice"
    except queue.Empty:
        client.end()


def dying():
    """Connects, says so, and waits for its end."""
    delay_s = int(GIVEN.get("delay", 0))
    testament = {"topic": "will", "payload": "gone", "qos": 2}
    if delay_s > 0:
        testament["properties"] = Properties(PacketTypes.WILLMESSAGE)
        testament["properties"].WillDelayInterval = delay_s
    client = Client("dying", PROTOCOL, testament, expiry_s=3600 if delay_s > 0 else None)
    print("connected", flush=True)
    client.next()


SCENARIOS = {
    "round-trip": round_trip,
    "will": will,
    "shared": shared,
    "properties": properties,
    "session-begin": session_begin,
    "session-resume": session_resume,
    "dying": dying,
}

if len(sys.argv) < 3 or sys.argv[1] not in SCENARIOS:
    sys.exit(f"usage: paho_scenarios.py {'|'.join(SCENARIOS)} PORT [KEY=VALUE...]")
PORT = int(sys.argv[2])
GIVEN = dict(pair.split("=", 1) for pair in sys.argv[3:])
PROTOCOL = mqtt.MQTTv311 if GIVEN.get("version") == "4" else mqtt.MQTTv5
SCENARIOS[sys.argv[1]]()
